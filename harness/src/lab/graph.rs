//! A lab as a picture.

use super::Lab;
use crate::error::Result;
use crate::graph::Graph;

impl Lab {
    /// What it consists of and what joins that, as kernels have it now: to be shown as text, SVG, for Mermaid or Graphviz.
    pub async fn graph(&self) -> Result<Graph> {
        let (report, inspection) = (self.report().await?, self.inspect(None).await?);
        Ok(Graph::of(&report, &inspection, &self.faults()))
    }
}
