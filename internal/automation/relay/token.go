package relay

// TokenPrefix begins the token of every relay, so that people and scanners for
// leaked secrets know one when they see it.
const TokenPrefix = "vdr_"
