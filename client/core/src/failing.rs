//! What fails inside the node again and again.

use parlour_protocol::error::Code;

/// How many tries failed inside the node, one after the other. Whatever else comes begins anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing(u32);

impl Failing {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// A try came to nothing, for this reason. Says how many in a row it is; 0 for another reason.
    pub(crate) const fn with(&mut self, code: Code) -> u32 {
        self.0 = if code.0 == Code::FAILED.0 {
            self.0.saturating_add(1)
        } else {
            0
        };
        self.0
    }
}
