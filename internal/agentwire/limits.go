package agentwire

import "time"

// Limits that both sides enforce. A platform may set lower ones and says so
// with 413; an agent then halves its fragments.
const (
	// MaxMessageBytes bounds every request and answer that is not a fragment or
	// an instruction: the largest is a provision request with host facts.
	MaxMessageBytes = 64 << 10
	// MaxInstructionBytes bounds a signed profile, manifest or demand list.
	MaxInstructionBytes = 1 << 20
	// MaxFragmentBytes bounds one upload fragment: the largest value of
	// FILE_UPLOAD_FRAGMENT_SIZE_IN_KB, 10,240 KB.
	MaxFragmentBytes = 10240 << 10
	// MaxUploadBytes bounds one upload, compressed. A baseline of 5,000 packages
	// is about 100 KB.
	MaxUploadBytes = 8 << 20
	// MaxStartData bounds an upload that goes with its start, in one request instead
	// of three: nearly every delta. In base64 it fits a message.
	MaxStartData = 16 << 10
	// MaxDeltaBytes bounds an upload after decompression. A baseline of 5,000
	// packages is about 1 MB.
	MaxDeltaBytes = 32 << 20
	// MaxEntries bounds the entries put and the keys dropped of one list. A delta is
	// not decoded beyond it: a few compressed bytes could ask for gigabytes.
	MaxEntries = 100_000
	// MaxTextBytes bounds one text of a fact, and the key of an entry. Both
	// databases can index it; package versions and mount points stay far below.
	MaxTextBytes = 1000
	// MaxZstdWindowBytes bounds the memory a decoder may be made to allocate.
	MaxZstdWindowBytes = 8 << 20
	// MaxDemands bounds the on-demand scans one instruction delivers.
	MaxDemands = 64
	// MaxClockSkew is how far the time of a request may lie from the platform's.
	// Agents correct their clock from the Date of each answer.
	MaxClockSkew = 5 * time.Minute
	// WakeupWait is how long the platform holds a wake-up poll before it answers
	// "nothing". It stays below the idle time-outs of common proxies (60 s).
	WakeupWait = 50 * time.Second
	// ReplayWindow is how many sequence numbers below the highest one seen may
	// still arrive: requests of one agent overtake each other on parallel
	// connections, by few.
	ReplayWindow = 64
)
