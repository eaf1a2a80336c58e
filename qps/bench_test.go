package qps

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The types below give encoding/xml the same document to write, so that the
// benchmarks compare the work and not the result.

type plainResponse struct {
	XMLName  xml.Name    `xml:"ServiceResponse"`
	XSI      string      `xml:"xmlns:xsi,attr"`
	Location string      `xml:"xsi:noNamespaceSchemaLocation,attr"`
	Code     string      `xml:"responseCode"`
	Count    int64       `xml:"count"`
	More     bool        `xml:"hasMoreRecords"`
	LastID   int64       `xml:"lastId"`
	Hosts    []plainHost `xml:"data>HostAsset"`
}

type plainHost struct {
	ID                int64                   `xml:"id"`
	Name              string                  `xml:"name"`
	Created           time.Time               `xml:"created"`
	Modified          time.Time               `xml:"modified"`
	Type              string                  `xml:"type"`
	Tags              plainList[plainTag]     `xml:"tags>list"`
	Sources           plainSources            `xml:"sourceInfo>list"`
	QWebHostID        int64                   `xml:"qwebHostId,omitempty"`
	FQDN              string                  `xml:"fqdn,omitempty"`
	OS                string                  `xml:"os,omitempty"`
	DNSHostName       string                  `xml:"dnsHostName,omitempty"`
	AgentInfo         plainAgent              `xml:"agentInfo"`
	Address           string                  `xml:"address,omitempty"`
	TrackingMethod    string                  `xml:"trackingMethod,omitempty"`
	TotalMemory       int64                   `xml:"totalMemory,omitempty"`
	Timezone          string                  `xml:"timezone,omitempty"`
	OpenPorts         []plainPort             `xml:"openPort>list>HostAssetOpenPort"`
	Software          []plainSoftware         `xml:"software>list>HostAssetSoftware"`
	Vulns             plainList[struct{}]     `xml:"vuln>list"`
	Processors        []plainProcessor        `xml:"processor>list>HostAssetProcessor"`
	Volumes           []plainVolume           `xml:"volume>list>HostAssetVolume"`
	Accounts          []plainAccount          `xml:"account>list>HostAssetAccount"`
	NetworkInterfaces []plainNetworkInterface `xml:"networkInterface>list>HostAssetInterface"`
	IsDockerHost      bool                    `xml:"isDockerHost"`
}

type plainList[T any] struct {
	Items []T `xml:"TagSimple"`
}

type plainSources struct {
	Plain struct{} `xml:"AssetSource"`
}

type plainTag struct {
	ID   int64  `xml:"id"`
	Name string `xml:"name"`
}

type plainAgent struct {
	AgentVersion       string    `xml:"agentVersion,omitempty"`
	AgentID            string    `xml:"agentId,omitempty"`
	Status             string    `xml:"status,omitempty"`
	LastCheckedIn      time.Time `xml:"lastCheckedIn"`
	ConnectedFrom      string    `xml:"connectedFrom,omitempty"`
	ChirpStatus        string    `xml:"chirpStatus,omitempty"`
	Platform           string    `xml:"platform,omitempty"`
	ActivatedModule    string    `xml:"activatedModule,omitempty"`
	VM                 string    `xml:"manifestVersion>vm"`
	AgentConfiguration plainTag  `xml:"agentConfiguration"`
	ActivationID       string    `xml:"activationKey>activationId"`
	ActivationTitle    string    `xml:"activationKey>title"`
}

type plainPort struct {
	Port        int64  `xml:"port"`
	Protocol    string `xml:"protocol"`
	ServiceName string `xml:"serviceName,omitempty"`
}

type plainSoftware struct {
	Name    string `xml:"name"`
	Version string `xml:"version"`
}

type plainProcessor struct {
	Name  string `xml:"name"`
	Speed int64  `xml:"speed"`
}

type plainVolume struct {
	Name string `xml:"name"`
	Size int64  `xml:"size"`
	Free int64  `xml:"free"`
}

type plainAccount struct {
	Username string `xml:"username"`
}

type plainNetworkInterface struct {
	Hostname      string `xml:"hostname,omitempty"`
	InterfaceName string `xml:"interfaceName,omitempty"`
	MACAddress    string `xml:"macAddress,omitempty"`
	Address       string `xml:"address,omitempty"`
}

const benchBaseURL = "https://qps.example.com"

// benchHost returns the i-th of many distinct hosts with 20 packages, 10 ports,
// 5 tags and 3 interfaces.
func benchHost(i int) *HostAsset {
	seen := time.Date(2031, 4, 1, 6, i%60, 0, 0, time.UTC)
	h := &HostAsset{
		ID: int64(7_000_000 + i), Name: fmt.Sprintf("host-%05d", i), Created: seen.AddDate(0, -1, 0), Modified: seen, Type: TypeHost,
		QWebHostID: int64(9_000_000_000 + i), FQDN: fmt.Sprintf("host-%05d.example.net", i), OS: "Debian GNU/Linux 13.1 (trixie)",
		DNSHostName: fmt.Sprintf("host-%05d.example.net", i), Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250),
		TrackingMethod: TrackingAgent, TotalMemory: int64(1024 * (1 + i%64)), Timezone: "UTC",
		AgentInfo: &AgentInfo{
			AgentVersion: "2.0.0.1", AgentID: fmt.Sprintf("0f7c1c52-0000-4000-8000-%012x", i), Status: AgentActive, LastCheckedIn: seen,
			ConnectedFrom: "203.0.113.8", ChirpStatus: "Inventory Scan Complete", Platform: "Linux",
			ActivatedModules: []string{"AGENT_VM", "AGENT_PC"}, ManifestVersions: []ManifestVersion{{"vm", "VULNSIGS-VM-2.9.1-1"}},
			AgentConfiguration: AgentConfiguration{3301, "R&D profile"}, ActivationKey: ActivationKeyRef{"5d2f0000-0000-4000-8000-00000000b001", "Ed's key"},
		},
		Processors: []Processor{{fmt.Sprintf("CPU <%d>", i), 2400}},
		Volumes:    []Volume{{"/", int64(1_000_000 + i), int64(500_000 + i)}},
		Accounts:   []Account{{"root"}, {fmt.Sprintf("user%d", i)}},
	}
	for j := range 5 {
		h.Tags = append(h.Tags, TagSimple{int64(51_000 + j), fmt.Sprintf("Tag %d & %d", j, i)})
	}
	for j := range 10 {
		h.OpenPorts = append(h.OpenPorts, OpenPort{Port: int64(20 + 7*j + i), Protocol: "TCP", ServiceName: fmt.Sprintf("svc-%d", j)})
	}
	for j := range 20 {
		h.Software = append(h.Software, Software{fmt.Sprintf("lib%d-package-%d", j, i), fmt.Sprintf("1:%d.%d-2+deb13u1", j, i)})
	}
	for j := range 3 {
		h.NetworkInterfaces = append(h.NetworkInterfaces, NetworkInterface{
			Hostname: h.Name, InterfaceName: fmt.Sprintf("eth%d", j), MACAddress: fmt.Sprintf("02:00:00:00:%02x:%02x", j, i%256),
			Address: fmt.Sprintf("10.%d.0.%d", j, i%250),
		})
	}
	h.NetworkInterfaces[2].Address = fmt.Sprintf("fe80:0:0:0:0:0:0:%x", i+1)
	return h
}

func benchResponses(hosts int) (ours *Response, plain *plainResponse) {
	var records []Record
	plain = &plainResponse{
		XSI: schemaInstance, Location: benchBaseURL + SchemaHostAsset, Code: string(CodeSuccess), Count: int64(hosts), More: true,
	}
	for i := range hosts {
		h := benchHost(i)
		records = append(records, h)
		plain.Hosts = append(plain.Hosts, plainHostOf(h))
		plain.LastID = h.ID
	}
	ours = NewPage(SchemaHostAsset, records, true, plain.LastID)
	ours.BaseURL = benchBaseURL
	return ours, plain
}

func plainHostOf(h *HostAsset) plainHost {
	a := h.AgentInfo
	p := plainHost{
		ID: h.ID, Name: h.Name, Created: h.Created, Modified: h.Modified, Type: h.Type, QWebHostID: h.QWebHostID, FQDN: h.FQDN,
		OS: h.OS, DNSHostName: h.DNSHostName, Address: h.Address, TrackingMethod: h.TrackingMethod, TotalMemory: h.TotalMemory,
		Timezone: h.Timezone, IsDockerHost: h.IsDockerHost,
		AgentInfo: plainAgent{
			AgentVersion: a.AgentVersion, AgentID: a.AgentID, Status: a.Status, LastCheckedIn: a.LastCheckedIn, ConnectedFrom: a.ConnectedFrom,
			ChirpStatus: a.ChirpStatus, Platform: a.Platform, ActivatedModule: "AGENT_VM,AGENT_PC", VM: a.ManifestVersions[0].Version,
			AgentConfiguration: plainTag(a.AgentConfiguration), ActivationID: a.ActivationKey.ActivationID, ActivationTitle: a.ActivationKey.Title,
		},
	}
	for _, t := range h.Tags {
		p.Tags.Items = append(p.Tags.Items, plainTag(t))
	}
	for _, o := range h.OpenPorts {
		p.OpenPorts = append(p.OpenPorts, plainPort{o.Port, o.Protocol, o.ServiceName})
	}
	for _, s := range h.Software {
		p.Software = append(p.Software, plainSoftware(s))
	}
	for _, c := range h.Processors {
		p.Processors = append(p.Processors, plainProcessor(c))
	}
	for _, v := range h.Volumes {
		p.Volumes = append(p.Volumes, plainVolume(v))
	}
	for _, c := range h.Accounts {
		p.Accounts = append(p.Accounts, plainAccount(c))
	}
	for _, n := range h.NetworkInterfaces {
		p.NetworkInterfaces = append(p.NetworkInterfaces, plainNetworkInterface{n.Hostname, n.InterfaceName, n.MACAddress, n.Address})
	}
	return p
}

// documentTree parses any XML document into names, attributes and leaf texts.
func documentTree(t *testing.T, document []byte) *Node {
	t.Helper()
	b := &builder{root: responseElement}
	dec := xml.NewDecoder(bytes.NewReader(document))
	for {
		token, err := dec.Token()
		if err != nil {
			break
		}
		if start, ok := token.(xml.StartElement); ok {
			if err := b.open(start.Name.Local); err != nil {
				t.Fatal(err)
			}
			n := b.stack[len(b.stack)-1]
			for _, a := range start.Attr {
				n.attributes = append(n.attributes, attribute{a.Name.Space + " " + a.Name.Local, a.Value})
			}
			continue
		}
		if err := addXMLToken(b, token); err != nil {
			t.Fatal(err)
		}
	}
	return b.envelope()
}

func TestTheBenchmarksWriteTheSameDocument(t *testing.T) {
	t.Parallel()
	ours, plain := benchResponses(3)
	want, err := xml.MarshalIndent(plain, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	a, b := documentTree(t, want), documentTree(t, AppendResponse(nil, XML, ours, nil))
	if a == nil || len(a.Child("data").All("HostAsset")) != 3 {
		t.Fatal("encoding/xml wrote no hosts")
	}
	if diff := cmp.Diff(a, b, cmpNodes); diff != "" {
		t.Errorf("documents differ (-encoding/xml +ours):\n%s", diff)
	}
}

func BenchmarkSearchResponse100HostsXML(b *testing.B) {
	resp, _ := benchResponses(100)
	benchmarkAppend(b, XML, resp)
}

func BenchmarkSearchResponse100HostsJSON(b *testing.B) {
	resp, _ := benchResponses(100)
	benchmarkAppend(b, JSON, resp)
}

func benchmarkAppend(b *testing.B, form Form, resp *Response) {
	b.Helper()
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = AppendResponse(buf[:0], form, resp, nil)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkSearchResponse100HostsEncodingXML(b *testing.B) {
	_, resp := benchResponses(100)
	b.ReportAllocs()
	var buf bytes.Buffer
	for b.Loop() {
		buf.Reset()
		enc := xml.NewEncoder(&buf)
		enc.Indent("", "  ")
		if err := enc.Encode(resp); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buf.Len()))
}

func BenchmarkDecodeRequest(b *testing.B) {
	req := &Request{Preferences: Preferences{LimitResults: 200}, Criteria: []Criterion{
		{"tagName", OpEquals, "Cloud Agent"}, {"lastCheckedIn", OpLesser, "2031-04-02T00:00:00Z"}, {"id", OpGreater, "7003001"},
	}}
	for _, form := range forms {
		b.Run(form.String(), func(b *testing.B) {
			body := EncodeRequest(form, req)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeRequest(bytes.NewReader(body), form.ContentType()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeResponse100Hosts(b *testing.B) {
	resp, _ := benchResponses(100)
	for _, form := range forms {
		b.Run(form.String(), func(b *testing.B) {
			body := AppendResponse(nil, form, resp, nil)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeResponse(bytes.NewReader(body), form); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
