package relay

import "time"

// Limits bound what a channel takes. Zero values mean the defaults.
type Limits struct {
	// Heartbeat is how long a channel may be silent before its peer is asked for a
	// sign of life, HeartbeatWait how long that may take. Below the minute after
	// which many load balancers cut a silent connection.
	Heartbeat, HeartbeatWait time.Duration
	// Open bounds opening a channel, from the look-up of the platform's name to its
	// answer.
	Open time.Duration
	// Dial is how long the platform waits for a connection to a target, a free place
	// for it included, and Connect how long the relay tries: shorter, so that its
	// reason arrives.
	Dial, Connect time.Duration
	// Idle ends a connection on which nothing moves, Total any connection.
	Idle, Total time.Duration
	// Streams is how many connections a channel carries at once.
	Streams int
	// FirstRetry and LastRetry bound the wait before the relay opens a channel
	// again; it doubles from one to the other.
	FirstRetry, LastRetry time.Duration
}

const (
	defaultHeartbeat     = 15 * time.Second
	defaultHeartbeatWait = 10 * time.Second
	defaultOpen          = 20 * time.Second
	defaultDial          = 15 * time.Second
	defaultConnect       = 10 * time.Second
	// defaultIdle is longer than clients keep a connection that they do not use.
	defaultIdle = 5 * time.Minute
	// defaultTotal is longer than the longest answer of a platform takes.
	defaultTotal      = time.Hour
	defaultStreams    = 64
	defaultFirstRetry = time.Second
	defaultLastRetry  = time.Minute
)

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&l.Heartbeat, defaultHeartbeat}, {&l.HeartbeatWait, defaultHeartbeatWait}, {&l.Open, defaultOpen},
		{&l.Dial, defaultDial}, {&l.Connect, defaultConnect}, {&l.Idle, defaultIdle}, {&l.Total, defaultTotal},
		{&l.FirstRetry, defaultFirstRetry}, {&l.LastRetry, defaultLastRetry},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if l.Streams == 0 {
		l.Streams = defaultStreams
	}
	return l
}

// Bounds of memory, on both ends.
const (
	// streamWindow is what one connection may have in flight: enough for 20 MB/s at
	// a round trip of 12 ms, and it is what a target that is not read takes.
	streamWindow  = 256 << 10
	channelWindow = 2 << 20
	copyBytes     = 32 << 10
	// maxChannels bounds the channels of a replica.
	maxChannels = 256
	// maxSaidBytes bounds what is read of the other end's explanation of a failure.
	maxSaidBytes = 4 << 10
	// linger is how long a closed connection may take to carry its last bytes.
	linger = 2 * time.Second
	// parting is how long telling a relay why its channel ends may take.
	parting = 2 * time.Second
)
