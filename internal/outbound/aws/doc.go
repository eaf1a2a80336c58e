// Package aws opens accounts of AWS with the AWS SDK for Go: it is the
// connector.Cloud of the product.
//
// What the SDK reads of the environment holds here too: AWS_ENDPOINT_URL and its
// forms for one service, HTTPS_PROXY, AWS_CA_BUNDLE, AWS_USE_FIPS_ENDPOINT, and,
// behind a role without keys of a base account, its chain of credentials.
//
// Limits: the partitions Global, US GovCloud and China; every request and every
// call has a time limit, every answer a size limit, and a listing holds one page
// of at most 1,000 instances.
package aws
