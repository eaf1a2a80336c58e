package qpsclient

import (
	"time"

	"vedette.dev/vedette/qps"
)

// How often and how long a call is tried.
const (
	// MaxTries bounds the attempts of one call, the first included.
	MaxTries = 6

	// BaseDelay is the upper bound of the first wait where the platform names
	// none; it doubles with every attempt.
	BaseDelay = 2 * time.Second

	// MaxDelay bounds a single wait. A platform that asks for more gets its
	// refusal reported instead: Qualys counts calls per hour, and a person
	// should decide whether to wait that long.
	MaxDelay = 5 * time.Minute

	// AttemptTimeout bounds one attempt, the reading of the answer included. A
	// page of a thousand large hosts takes Qualys more than a minute.
	AttemptTimeout = 3 * time.Minute

	// DownloadTimeout bounds one attempt to download an agent package: 40 MB at
	// 11 kB/s.
	DownloadTimeout = time.Hour

	// MaxBinaryBytes bounds an agent package (1 GiB); they have tens of megabytes.
	MaxBinaryBytes = 1 << 30
)

const (
	dialTimeout      = 15 * time.Second
	handshakeTimeout = 15 * time.Second
	idleTimeout      = 90 * time.Second
	idleConnections  = 8

	// maxRedirects bounds redirects of a read within one host.
	maxRedirects = 3

	// errorBytes bounds what is read of an answer with an error status; an
	// envelope with an error has a few hundred bytes.
	errorBytes = 1 << 20

	// templateBytes bounds a CloudFormation template; AWS takes none beyond 1 MB.
	templateBytes = 1 << 20

	// stateBytes bounds an answer of the automation API: 200 scans of about
	// 400 bytes, with room for long reasons.
	stateBytes = 4 << 20

	// accessBytes bounds a list of users, roles or audit rows: 2,000 users with a
	// scope of 100 tags, or 1,000 rows of the audit log with texts of full length.
	accessBytes = 32 << 20

	// excerptBytes bounds how much of an answer that is no envelope an error
	// repeats.
	excerptBytes = 200
)

// limits are the bounds of one client; only tests change them.
type limits struct {
	responseBytes   int64
	attemptTimeout  time.Duration
	pages           int
	downloadBytes   int64
	downloadTimeout time.Duration
	downloadStall   time.Duration // without a single byte
}

func defaultLimits() limits {
	return limits{
		responseBytes: qps.MaxResponseBytes, attemptTimeout: AttemptTimeout, pages: MaxPages,
		downloadBytes: MaxBinaryBytes, downloadTimeout: DownloadTimeout, downloadStall: AttemptTimeout,
	}
}
