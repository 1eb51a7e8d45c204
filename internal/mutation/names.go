package mutation

// Name names one safety mechanism that can be broken.
type Name string

// The mutations: what each breaks.
const (
	// NoMargin: the holder gives nothing of its TTL away, and the observer adds nothing.
	NoMargin Name = "no-margin"
	// FenceOutsideLock: a fence is drawn before the row is locked, from the clock alone.
	FenceOutsideLock Name = "fence-outside-lock"
	// TakeOverByPlainUpdate: a take-over does not lock the row against guards.
	TakeOverByPlainUpdate Name = "take-over-by-plain-update"
	// TakeOverFromAnybody: a take-over removes the holder whoever it is by then.
	TakeOverFromAnybody Name = "take-over-from-anybody"
	// SameSnapshot: a take-over judges by its own snapshot whether a lease is gone.
	SameSnapshot Name = "same-snapshot"
	// SequenceIDs: lease ids come from a sequence in the database.
	SequenceIDs Name = "sequence-ids"
	// NoGrace: a new incarnation of the database grants at once.
	NoGrace Name = "no-grace"
	// IgnoreEpochAndNotice: a renewal extends trust whatever else its reply says.
	IgnoreEpochAndNotice Name = "ignore-epoch-and-notice"
	// GuardWithoutLease: a guard looks at the lock's row alone.
	GuardWithoutLease Name = "guard-without-lease"
	// AnchorAtReceipt: trust is counted from the reply to a renewal.
	AnchorAtReceipt Name = "anchor-at-receipt"
	// ReviveDeadLease: a lease is renewed after its trust deadline.
	ReviveDeadLease Name = "revive-dead-lease"
	// BelieveStaleGrants: a grant is believed in although the rows were read since.
	BelieveStaleGrants Name = "believe-stale-grants"
	// BelieveMarkedGrants: a grant is believed in although its row shows it revoked.
	BelieveMarkedGrants Name = "believe-marked-grants"
	// ObserverTTL: an observer counts a fixed time, not the holder's TTL.
	ObserverTTL Name = "observer-ttl"
	// KeepSightings: an observer does not start again when the beat has changed.
	KeepSightings Name = "keep-sightings"
	// SharedOvertakes: whoever asks for a shared lock is granted it though others wait.
	SharedOvertakes Name = "shared-overtakes"
	// ServeDespiteMembers: the head of the queue is granted the lock though others share
	// it still.
	ServeDespiteMembers Name = "serve-despite-members"
	// ReleaseEndsMinHold: a lock that is released passes on before its minimum hold is over.
	ReleaseEndsMinHold Name = "release-ends-min-hold"
	// ForgetUnflushedReleases: a release that a crash of the server may have undone is not
	// made again.
	ForgetUnflushedReleases Name = "forget-unflushed-releases"
)

// All returns every mutation.
func All() []Name {
	return []Name{
		NoMargin, FenceOutsideLock, TakeOverByPlainUpdate, TakeOverFromAnybody, SameSnapshot,
		SequenceIDs, NoGrace, IgnoreEpochAndNotice, GuardWithoutLease, AnchorAtReceipt,
		ReviveDeadLease, BelieveStaleGrants, BelieveMarkedGrants, ObserverTTL, KeepSightings,
		SharedOvertakes, ServeDespiteMembers, ReleaseEndsMinHold, ForgetUnflushedReleases,
	}
}
