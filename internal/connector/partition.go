package connector

import "regexp"

// Partition is a part of AWS that shares no accounts, credentials or endpoints
// with the others, by the name it has in ARNs. Qualys calls it the account type
// of a connector: Global, US GovCloud or China.
type Partition string

// The partitions a connector can list. AWS has others, which are refused.
const (
	Commercial Partition = "aws"
	GovCloud   Partition = "aws-us-gov"
	China      Partition = "aws-cn"
)

// regionForms are how the regions of each partition are written (AWS SDK for Go,
// partition table).
var regionForms = map[Partition]*regexp.Regexp{
	Commercial: regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-(north|south|east|west|central|northeast|northwest|southeast|southwest)-\d{1,2}$`),
	GovCloud:   regexp.MustCompile(`^us-gov-(east|west)-\d{1,2}$`),
	China:      regexp.MustCompile(`^cn-(north|northwest|south|east|west)-\d{1,2}$`),
}

// PartitionOf returns the partition a region belongs to by its form; known is
// false for what is no region of the three. Whether AWS has the region is not
// known here.
func PartitionOf(region string) (p Partition, known bool) {
	for p, form := range regionForms {
		if form.MatchString(region) {
			return p, true
		}
	}
	return "", false
}

// HomeRegion returns the region that is asked first: for credentials, and for
// which regions there are. It is also what a GovCloud connector lists that names
// no region (release note, GovCloud sample).
func (p Partition) HomeRegion() string {
	switch p {
	case GovCloud:
		return "us-gov-west-1"
	case China:
		return "cn-north-1"
	default:
		return "us-east-1"
	}
}

// option is the word for the partition in options and commands.
func (p Partition) option() string {
	if p == China {
		return "china"
	}
	return "govcloud"
}

// Name returns what people call the partition.
func (p Partition) Name() string {
	switch p {
	case GovCloud:
		return "US GovCloud"
	case China:
		return "China"
	default:
		return "Global"
	}
}
