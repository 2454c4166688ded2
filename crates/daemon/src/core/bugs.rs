//! Mistakes that can be switched on, one at a time, to prove that the simulation finds them.
//! Without the feature `deliberate-bugs` none of this is in the program.

/// A mistake in one of the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A failover does not wait until nobody else can hold the writer role.
    SkipClaims,
    /// The monitor takes a grant for over after half of its time.
    ShortClaims,
    /// The monitor forgets at its start who may hold what.
    ForgetClaims,
    /// A release counts though the agent has not seen the decision that it answers.
    ReleaseUnseen,
    /// A release counts though the VIP is still there.
    ReleaseHeld,
    /// The monitor acts on decisions that are not on disk.
    MonitorForgets,
    /// A monitor that starts goes on in the term of the one before.
    SameTerm,
    /// A reader VIP is given before its former host released it.
    ReaderEarly,
    /// PASSIVE acts all the same.
    PassiveActs,
    /// MANUAL takes roles from hosts that fail.
    ManualTakes,
    /// A host that an operator set offline is given roles.
    OfflineServes,
    /// Whoever is first in the configuration becomes writer, whatever he lacks.
    AnyCandidate,
    /// A planned move promotes without waiting for the target to catch up.
    SkipCatchUp,
    /// A planned move waits for its target for ever.
    EndlessDrain,
    /// The agent obeys whoever speaks, however old his word.
    ObeyStale,
    /// A grant counts from its arrival.
    FromArrival,
    /// The agent writes nothing down.
    AgentForgets,
    /// The agent goes on after a reboot as if its clock had gone on.
    IgnoreBoot,
    /// A fence leaves the VIP where it is.
    FenceKeepsVip,
    /// The agent does not fence when its grant runs out, and the kernel is told no end.
    NoFence,
    /// The agent says that it is frozen before it is.
    FrozenEarly,
    /// After an order of a move the agent still opens what an older grant wanted.
    OpenUnasked,
    /// A host promises not to take what it holds or is to hold, tells nobody, and takes what it
    /// promised.
    PromiseAndHold,
    /// One promise is enough, however many could take over.
    OnePromise,
    /// The monitor takes nobody's word that a host that it cannot reach goes on by promises.
    PromiseUnheard,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::SkipClaims,
        Self::ShortClaims,
        Self::ForgetClaims,
        Self::ReleaseUnseen,
        Self::ReleaseHeld,
        Self::MonitorForgets,
        Self::SameTerm,
        Self::ReaderEarly,
        Self::PassiveActs,
        Self::ManualTakes,
        Self::OfflineServes,
        Self::AnyCandidate,
        Self::SkipCatchUp,
        Self::EndlessDrain,
        Self::ObeyStale,
        Self::FromArrival,
        Self::AgentForgets,
        Self::IgnoreBoot,
        Self::FenceKeepsVip,
        Self::NoFence,
        Self::FrozenEarly,
        Self::OpenUnasked,
        Self::PromiseAndHold,
        Self::OnePromise,
        Self::PromiseUnheard,
    ];
}

#[cfg(feature = "deliberate-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Runs something with one bug switched on, in this thread only.
    pub fn with<T>(bug: Option<Bug>, run: impl FnOnce() -> T) -> T {
        let before = ON.replace(bug);
        let result = run();
        ON.set(before);
        result
    }

    pub(in crate::core) fn bug(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }
}

#[cfg(feature = "deliberate-bugs")]
pub(super) use switch::bug;
#[cfg(feature = "deliberate-bugs")]
pub use switch::with;

/// Whether this bug is switched on.
#[cfg(not(feature = "deliberate-bugs"))]
pub(super) const fn bug(_: Bug) -> bool {
    false
}
