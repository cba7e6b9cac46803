//! An identity provider that tests play themselves.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::net::runtime;

/// An identity provider that says where it gives tokens, and then answers by the script: the number of the request, and its form.
pub(crate) struct Provider {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(crate) fn start(script: impl Fn(usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let runtime = runtime::handle();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (base, forms) = (url.clone(), Arc::clone(&asked));
        let task = runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = String::new();
                while !is_whole(&request) {
                    let mut bytes = [0; 4096];
                    let n_bytes = stream.read(&mut bytes).await.expect("bytes");
                    request.push_str(std::str::from_utf8(&bytes[..n_bytes]).expect("text"));
                }
                let (status, body) = if request.starts_with("GET") {
                    assert!(request.contains("/.well-known/openid-configuration "), "{request}");
                    (200, format!("{{\"token_endpoint\":\"{base}/token\"}}"))
                } else {
                    let (_, form) = request.split_once("\r\n\r\n").expect("a form");
                    let mut forms = forms.lock().expect("no panic");
                    forms.push(form.to_owned());
                    script(forms.len() - 1)
                };
                let n_bytes = body.len();
                let answer =
                    format!("HTTP/1.1 {status} x\r\ncontent-length: {n_bytes}\r\n\r\n{body}");
                // the client may have hung up
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { url, asked, task: task.abort_handle() }
    }

    /// The forms that came.
    pub(crate) fn forms(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// Whether the head and as many bytes as it says are there.
fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    body.len() >= length.map_or(0, |(_, length)| length.parse().expect("a number"))
}

/// The answer with a token.
pub(crate) fn given(token: &str, seconds: u32) -> (u16, String) {
    (
        200,
        format!(
            "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":{seconds}}}"
        ),
    )
}
