// Package performance is the catalogue of the sixteen performance parameters of
// a configuration profile, as published for Windows Agent 1.5 and Linux/Mac
// Agent 1.6 (Qualys Cloud Suite API release notes, February 2017, "Changes,
// Organization and Description of Performance Interface"; below: the release
// note).
//
// The main types are Parameter, one entry of the catalogue, and Settings, the
// keys and values that a profile carries. Recommended gives the settings of a
// level; Validate checks settings that are about to be stored; the methods of
// Settings give an agent typed values; MigrateSystem and MigrateCustom carry
// stored profiles to a later catalogue.
//
// Three rules hold everywhere:
//
//   - Ranges are checked when settings are written, never when they are read: a
//     stored value outside a newer range keeps its effect.
//   - Unknown keys are kept: a later agent may know them.
//   - A key that a profile leaves out, or whose value cannot be used at all,
//     acts as its Low value.
//
// Where Vedette differs from the release note:
//
//   - CPU_LIMIT is published for Windows. For Vedette's agent it means a cap on
//     the scan worker on every operating system, in percent of one core; see
//     docs/pacing.md.
//   - The release note names the key THROTTLE_EVENT_COMM_UPLOAD "Rx" and says
//     that it slows downloads, and THROTTLE_EVENT_COMM_DOWNLOAD "Tx" that slows
//     uploads. The catalogue keeps that pairing, and the description rules what
//     an agent does: see Settings.DownloadThrottle and Settings.UploadThrottle.
//   - Vedette's agent follows the legacy parameters in its compatibility mode
//     only; see docs/parameters.md.
//   - The Normal value of FILE_UPLOAD_FRAGMENT_SIZE_IN_KB is printed as "048" in
//     the copy of the release note that is in circulation; it is 2048 here: 48
//     would be below the range, and 2048 is the middle between Low and High.
//
// Everything in this package is safe for concurrent use, except a Settings map
// that somebody writes to.
package performance
