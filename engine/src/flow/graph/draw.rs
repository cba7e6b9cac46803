//! Draws a graph: as text for terminals, as JSON for programs, as Mermaid for web pages.

use std::fmt;

use super::{Carries, Graph, GraphStep, Guarantee};

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMostOnce => "at most once",
            Self::AtLeastOnce => "at least once",
        })
    }
}

impl GraphStep {
    /// What it is, in a few words.
    fn what(&self) -> String {
        let kind = self.kind;
        match (self.connector, &self.target, self.guarantee) {
            (Some(connector), Some(target), Some(guarantee)) => {
                format!("{kind} to {connector} {target}, {guarantee}")
            }
            (Some(connector), Some(target), None) => format!("{kind} to {connector} {target}"),
            (Some(connector), None, _) => format!("{kind} from {connector}"),
            (None, _, _) => kind.to_owned(),
        }
    }
}

/// One line per step, and under it one per edge that leaves it: `->` for what is good, `=>` for errors.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dataflow \"{}\"", self.dataflow)?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{} ({})", step.name, step.what())?;
            for edge in self.edges.iter().filter(|edge| edge.from == at) {
                let arrow = match edge.carries {
                    Carries::Good => "->",
                    Carries::Errors => "=> errors to",
                };
                writeln!(f, "  {arrow} {}", self.steps[edge.to].name)?;
            }
        }
        Ok(())
    }
}

impl Graph {
    /// The graph as JSON, in one line: `dataflow`, `steps` with their names, kinds, connectors, targets, guarantees and lines, and
    /// `edges` with `from` and `to` as indices into the steps.
    #[expect(clippy::missing_panics_doc, reason = "texts and numbers are always JSON")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are always JSON")
    }

    /// The graph as a Mermaid flowchart: sources and sinks rounded, errors on dotted edges.
    pub fn to_mermaid(&self) -> String {
        Mermaid(self).to_string()
    }
}

struct Mermaid<'g>(&'g Graph);

impl fmt::Display for Mermaid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flowchart LR")?;
        for (at, step) in self.0.steps.iter().enumerate() {
            let (name, what) = (quoted(&step.name), quoted(&step.what()));
            let is_end = step.connector.is_some();
            let (open, close) = if is_end { ("([", "])") } else { ("[", "]") };
            writeln!(f, "    s{at}{open}\"{name}<br/>{what}\"{close}")?;
        }
        for edge in &self.0.edges {
            let arrow = match edge.carries {
                Carries::Good => "-->",
                Carries::Errors => "-. errors .->",
            };
            writeln!(f, "    s{} {arrow} s{}", edge.from, edge.to)?;
        }
        Ok(())
    }
}

/// A name as Mermaid takes it inside quotes.
fn quoted(name: &str) -> String {
    name.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
