//! Names of topics: `persistent://TENANT/NAMESPACE/TOPIC`, its short forms, and the partitions of a topic.
//!
//! Invariant: two names that mean the same topic are equal, and are written the same.

use std::fmt;

const DOMAINS: [(&str, bool); 2] = [("persistent://", true), ("non-persistent://", false)];

/// What stands between the name of a topic and the number of a partition.
const PARTITION: &str = "-partition-";

/// Bytes of a whole name at most.
const MAX_LEN: usize = 1_000;

/// The name of a topic, or of one partition of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicName {
    /// Whole, as brokers have it.
    text: String,
    /// Where the tenant begins, behind the domain.
    tenant_at: usize,
    /// Where the topic's own name begins, behind the namespace.
    local_at: usize,
}

impl TopicName {
    /// Reads `persistent://TENANT/NAMESPACE/TOPIC`, the same with `non-persistent://`, `TENANT/NAMESPACE/TOPIC`, or `TOPIC` alone, which
    /// is in `public/default`.
    ///
    /// # Errors
    /// The rule that it breaks, as a sentence.
    pub(crate) fn parse(name: &str) -> Result<Self, &'static str> {
        if name.len() > MAX_LEN {
            return Err("a topic's name has at most 1000 bytes");
        }
        let of_domain = DOMAINS.iter().find_map(|(domain, is_persistent)| {
            name.strip_prefix(domain).map(|rest| (rest, *is_persistent))
        });
        let (rest, is_persistent) = of_domain.unwrap_or((name, true));
        if rest.contains("://") {
            return Err("a topic's name begins with `persistent://` or `non-persistent://`");
        }
        let parts: Vec<_> = rest.split('/').collect();
        match parts[..] {
            [local] if of_domain.is_none() => Self::new(is_persistent, "public", "default", local),
            [tenant, namespace, local] => Self::new(is_persistent, tenant, namespace, local),
            _ => Err("a topic's name is `TOPIC` or `TENANT/NAMESPACE/TOPIC`"),
        }
    }

    fn new(
        is_persistent: bool,
        tenant: &str,
        namespace: &str,
        local: &str,
    ) -> Result<Self, &'static str> {
        named(tenant).and_then(|()| named(namespace))?;
        if local.trim().is_empty() {
            return Err("a topic's name is not empty");
        }
        if local.contains(char::is_control) {
            return Err("a topic's name has no control characters");
        }
        let (domain, _) = DOMAINS[usize::from(!is_persistent)];
        let text = format!("{domain}{tenant}/{namespace}/{local}");
        let tenant_at = domain.len();
        Ok(Self { local_at: text.len() - local.len(), tenant_at, text })
    }

    /// The whole name.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether messages are kept until they are acknowledged.
    pub(crate) fn is_persistent(&self) -> bool {
        self.text.starts_with(DOMAINS[0].0)
    }

    /// `TENANT/NAMESPACE`.
    pub(crate) fn namespace(&self) -> &str {
        &self.text[self.tenant_at..self.local_at - 1]
    }

    /// What is behind the namespace, with the number of the partition where it is one.
    pub(crate) fn local(&self) -> &str {
        &self.text[self.local_at..]
    }

    /// As people write it: without what every name begins with.
    pub(crate) fn short(&self) -> &str {
        match (self.is_persistent(), self.namespace()) {
            (true, "public/default") => self.local(),
            (true, _) => &self.text[self.tenant_at..],
            (false, _) => &self.text,
        }
    }

    /// Which partition it is, where it is one.
    pub(crate) fn partition(&self) -> Option<u32> {
        let (_, number) = self.local().rsplit_once(PARTITION)?;
        let index = number.parse().ok()?;
        // `-partition-01` and `-partition-+1` are names like any other
        (u32::to_string(&index) == number).then_some(index)
    }

    /// One partition of this topic. A partition has none itself.
    pub(crate) fn at_partition(&self, index: u32) -> Self {
        Self { text: format!("{}{PARTITION}{index}", self.whole().text), ..*self }
    }

    /// The topic that this is a partition of; itself where it is none.
    pub(crate) fn whole(&self) -> Self {
        let end = match (self.partition(), self.text.rfind(PARTITION)) {
            (Some(_), Some(end)) => end,
            _ => self.text.len(),
        };
        Self { text: self.text[..end].to_owned(), ..*self }
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a name can be that of a tenant or a namespace.
pub(crate) fn named(name: &str) -> Result<(), &'static str> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '=' | ':' | '.' | '_');
    match name {
        "" => Err("tenant and namespace are not empty"),
        "." | ".." => Err("tenant and namespace are not \".\" or \"..\""),
        _ if !name.chars().all(is_legal) => Err(
            "tenant and namespace have letters, digits, \"-\", \"=\", \":\", \".\" and \"_\" alone",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(name: &str) -> TopicName {
        TopicName::parse(name).expect("a name")
    }

    #[test]
    fn short_forms_mean_the_whole_name() {
        for name in ["orders", "public/default/orders", "persistent://public/default/orders"] {
            let name = parse(name);
            assert_eq!(name.as_str(), "persistent://public/default/orders");
            assert_eq!((name.short(), name.namespace()), ("orders", "public/default"));
        }
        let volatile = parse("non-persistent://acme/shop/orders");
        assert_eq!(volatile.short(), "non-persistent://acme/shop/orders");
        assert_eq!((volatile.namespace(), volatile.local()), ("acme/shop", "orders"));
        assert!(!volatile.is_persistent());
        assert_eq!(parse("acme/shop/orders").short(), "acme/shop/orders");
    }

    #[test]
    fn partitions_have_their_numbers() {
        let first = parse("orders").at_partition(0);
        assert_eq!(first.as_str(), "persistent://public/default/orders-partition-0");
        assert_eq!((first.partition(), first.whole()), (Some(0), parse("orders")));
        assert_eq!(first.at_partition(7).as_str(), parse("orders-partition-7").as_str());
        let others =
            ["orders", "a-partition-", "a-partition-01", "a-partition-+1", "a-partition-x"];
        for name in others {
            assert_eq!((parse(name).partition(), parse(name).whole()), (None, parse(name)));
        }
    }

    #[test]
    fn bad_names_are_refused() {
        let long = "x".repeat(MAX_LEN + 1);
        let names = [
            "",
            " ",
            "a/b",
            "a/b/c/d",
            "a//c",
            "/b/c",
            "a/b/",
            "persistent://orders",
            "http://a/b/c",
            "a b/c/d",
            "../b/c",
            "tab\t",
            "persistent://persistent://a/b/c",
            long.as_str(),
        ];
        for name in names {
            assert!(TopicName::parse(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn names_read_back_as_written(
            is_persistent: bool, tenant in "[a-z][-a-z0-9_.=:]{0,9}", namespace in "[a-z][-a-z0-9]{0,9}",
            local in "[^/\\p{C}\\s]{1,30}", index in proptest::option::of(any::<u32>()),
        ) {
            let name = TopicName::new(is_persistent, &tenant, &namespace, &local);
            let name = name.expect("all parts are good");
            prop_assume!(name.partition().is_none());
            let name = index.map_or_else(|| name.clone(), |index| name.at_partition(index));
            prop_assert_eq!(&parse(name.as_str()), &name);
            prop_assert_eq!(&parse(name.short()), &name);
            prop_assert_eq!(name.partition(), index);
            prop_assert_eq!(name.is_persistent(), is_persistent);
            prop_assert_eq!(name.namespace(), format!("{tenant}/{namespace}"));
            prop_assert_eq!(name.whole().local().to_owned(), local);
        }
    }
}
