//! The rules that are not obvious, by name: a test switches one off and sees that it is missed.

/// A rule of the node that a simulation has shown to be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Who does not hear his own beats declares nobody dead and reports nothing.
    Freeze,
    /// A stamp is never behind one that was seen.
    MergeClock,
    /// A peer that knows nothing of us though it had is told everything anew.
    Forgot,
    /// A report is raised when every peer that lives knows of it.
    Claims,
    /// After a change of the members nothing is reported for a while.
    Handover,
    /// Where two reports contradict and neither knew of the other, the truth is said again.
    LastWord,
    /// Who gives a session keeps it until the taker has said that it is there.
    KeepUntilGot,
    /// The copy of a peer's state is replaced when the last part of the new one is there.
    WholeSnapshot,
}

/// Which of them hold: all, except in a test that says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    #[cfg(test)]
    pub(crate) off: Option<Rule>,
}

impl Rules {
    #[cfg(test)]
    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    #[cfg(not(test))]
    pub(crate) fn hold(self, _: Rule) -> bool {
        true
    }
}
