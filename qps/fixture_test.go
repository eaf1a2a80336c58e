package qps

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

var forms = []Form{XML, JSON}

// golden compares got with testdata/name, or rewrites the file with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func decodeResponse(t *testing.T, form Form, body []byte) *Response {
	t.Helper()
	resp, err := DecodeResponse(bytes.NewReader(body), form)
	if err != nil {
		t.Fatalf("decode %v: %v\n%s", form, err, body)
	}
	return resp
}

func at(hour, minute int) time.Time {
	return time.Date(2031, time.April, 1, hour, minute, 44, 0, time.UTC)
}

// fullHost has a value in every field.
func fullHost() *HostAsset {
	return &HostAsset{
		ID: 7003002, Name: "edge-cache-04", Created: at(8, 0), Modified: at(9, 12), Type: TypeHost,
		Tags: []TagSimple{{51001, "Cloud Agent"}, {51077, `Edge <west> & "co"`}},
		Sources: []Source{
			&EC2Source{
				AssetID: 7003002, FirstDiscovered: at(1, 1), LastUpdated: at(2, 2), Tags: []CloudTag{{"Name", "edge"}, {"Empty", ""}},
				ReservationID: "r-1", AvailabilityZone: "xx-east-1a", PrivateDNSName: "ip-1.internal", PublicDNSName: "ec2-1.example",
				LocalHostname: "ip-1", InstanceID: "i-01", InstanceType: "t9.small", CreatedDate: at(3, 3), LaunchTime: at(3, 4), InstanceState: "RUNNING",
				GroupID: "sg-1", GroupName: "edge", InstanceGroupID: "ig-1", InstanceGroupName: "edges",
				SpotInstance: true, SpotInstanceRequestID: "sir-1", AccountID: "000111222333", SubnetID: "subnet-1", VPCID: "vpc-1",
				Region: "xx-east-1", Zone: "VPC", ImageID: "ami-1", KeyName: "edge-key", PlacementGroupName: "pg", ProductCode: "code",
				SourceDestinationCheck: new(true), PublicIPAddress: "203.0.113.9", PrivateIPAddress: "192.0.2.14",
				MACAddress: "02:00:00:00:00:01", MonitoringEnabled: true,
			},
			&AzureSource{
				AssetID: 7003002, FirstDiscovered: at(1, 1), LastUpdated: at(2, 2), Tags: []CloudTag{{"k", "v"}}, Name: "vm4",
				Location: "westland", VMSize: "Standard_X1", VMID: "0f7c1c52-0000-4000-8000-00000000c001", Offer: "debian-13", State: "RUNNING",
				Publisher: "Debian", Version: "latest", OSType: "Linux", Subnet: "default", SubscriptionID: "0f7c1c52-0000-4000-8000-00000000c002",
				ResourceGroupName: "rg", MACAddress: "02:00:00:00:00:02", PrivateIPAddress: "192.0.2.15", PublicIPAddress: "203.0.113.10",
			},
			&GCPSource{
				AssetID: 7003002, FirstDiscovered: at(1, 1), LastUpdated: at(2, 2), InstanceID: "900100", Hostname: "g1.internal",
				MachineType: "n9", ImageID: "debian-13", Zone: "west1-a", ProjectIDNo: "445566", State: "RUNNING", ProjectID: "p-1",
				Network: "default", MACAddress: "02:00:00:00:00:03", PublicIPAddress: "203.0.113.11", PrivateIPAddress: "192.0.2.16",
			},
			&UnknownSource{Node: &Node{Name: "OciAssetSourceSimple", Children: []*Node{
				{Name: "type", Text: "OCI"},
				{Name: "ociTags", Children: []*Node{{Name: "list", Children: []*Node{
					{Name: "OCITags", Children: []*Node{{Name: "key", Text: "a"}}},
					{Name: "OCITags", Children: []*Node{{Name: "key", Text: "b"}}},
				}}}},
			}}},
		},
		CriticalityScore: 4, QWebHostID: 9120044, LastComplianceScan: at(4, 1), LastVulnScan: at(4, 2), VulnsUpdated: at(4, 3),
		InformationGatheredUpdated: at(4, 4), LastSystemBoot: at(4, 5), LastLoggedOnUser: "root", Domain: "EXAMPLE",
		FQDN: "edge-cache-04.example.net", OS: "Rocky Linux 9.3", DNSHostName: "edge-cache-04.example.net",
		AgentInfo: &AgentInfo{
			AgentVersion: "6.2.0.9", AgentID: "0f7c1c52-0000-4000-8000-00000000a004", Status: AgentActive, LastCheckedIn: at(6, 12),
			ConnectedFrom: "203.0.113.8", Location: "Springfield, Oregon, United States", LocationGeoLatitude: "44.0462",
			LocationGeoLongitude: "-123.022", ChirpStatus: "Inventory Scan Complete", Platform: "Linux",
			ActivatedModules:   []string{"AGENT_VM", "AGENT_SwCA"},
			ManifestVersions:   []ManifestVersion{{"vm", "VULNSIGS-VM-2.9.1-1"}, {"pc", "VULNSIGS-PC-2.9.1-2"}},
			AgentConfiguration: AgentConfiguration{3301, "Edge profile"},
			ActivationKey:      ActivationKeyRef{"5d2f0000-0000-4000-8000-00000000b001", "Edge key"},
		},
		NetBIOSName: "EDGE04", NetBIOSNetworkID: "12", NetworkGUID: "0f7c1c52-0000-4000-8000-00000000d001", Address: "192.0.2.14",
		TrackingMethod: TrackingAgent, Manufacturer: "Acme", Model: "Box 9", TotalMemory: 16384, Timezone: "-07:00",
		BIOSDescription: "Acme 1.2 01/02/2030",
		OpenPorts:       []OpenPort{{Port: 22, Protocol: "TCP", ServiceID: 7, ServiceName: "ssh"}, {Port: 68, Protocol: "UDP"}},
		Software:        []Software{{"O'Reilly reader", "1.10"}, {"openssl", "3.0.17-1~deb12u2"}},
		Vulns:           []Vuln{{QID: 38170, HostInstanceVulnID: 9_000_000_001, FirstFound: at(5, 1), LastFound: at(5, 2)}},
		Processors:      []Processor{{"Acme CPU @ 2.40GHz", 2400}},
		Volumes:         []Volume{{"/", 105_089_261_568, 80_000_000_000}, {"/proc", 0, 0}},
		Accounts:        []Account{{"root"}, {"daemon"}},
		NetworkInterfaces: []NetworkInterface{
			{Hostname: "edge-cache-04", InterfaceID: "eni-1", InterfaceName: "eth0", MACAddress: "02:00:00:00:00:01", Type: "PRIVATE",
				Address: "192.0.2.14", GatewayAddress: "192.0.2.1"},
			{Hostname: "edge-cache-04", InterfaceName: "eth0", Address: "fe80:0:0:0:0:ff:fe00:1", GatewayAddress: "fe80:0:0:0:0:0:0:1"},
		},
		IsDockerHost: true, DockerInfo: &DockerInfo{DockerVersion: "27.1", NoOfContainers: 0, NoOfImages: 12}, CloudProvider: "AWS",
	}
}

// agentlessInstance is an EC2 instance that a connector found.
func agentlessInstance() *HostAsset {
	return &HostAsset{
		ID: 7003004, Name: "edge", Created: at(8, 0), Modified: at(8, 0), Type: TypeHost, Tags: []TagSimple{{51077, "Edge"}},
		Sources: []Source{&EC2Source{
			AssetID: 7003004, FirstDiscovered: at(8, 0), LastUpdated: at(8, 0), Tags: []CloudTag{{"Name", "edge"}}, InstanceID: "i-02",
			InstanceState: InstanceTerminated, AccountID: "000111222333", Region: "us-gov-west-1", Zone: "VPC",
		}},
		Address: "192.0.2.17", TrackingMethod: TrackingInstance,
		NetworkInterfaces: []NetworkInterface{{InterfaceID: "eni-2", MACAddress: "02:00:00:00:00:04", Type: "PRIVATE", Address: "192.0.2.17"}},
		CloudProvider:     CloudAWS,
	}
}

// bareAgent is an agent of which nothing is known yet.
func bareAgent() *HostAsset {
	return &HostAsset{
		ID: 7003003, Name: "new-host", Created: at(8, 0), Modified: at(8, 0), Type: TypeHost,
		AgentInfo: &AgentInfo{AgentID: "0f7c1c52-0000-4000-8000-00000000a005", Status: AgentActive}, TrackingMethod: TrackingAgent,
	}
}
