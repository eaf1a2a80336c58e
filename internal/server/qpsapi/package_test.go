package qpsapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/packages"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

const (
	binaryInfoPath     = "/qps/rest/1.0/process/ca/binaryinfo"
	downloadBinaryPath = "/qps/rest/1.0/download/ca/downloadbinary"
	compositionPath    = "/qps/rest/1.0/download/ca/downloadcdxsbom"
)

// newPackagePlatform offers three packages, whose content is their name. Of its
// hosts the third has the module SwCA.
func newPackagePlatform(t testing.TB) *platform {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{
		"vedette-agent-2.0.0-LINUX_UBUNTU-X_64.deb", "vedette-agent-2.0.0-LINUX-X_64.rpm", "vedette-agent-1.9.0-LINUX-X_64.rpm", "vedette-agent-2.0.0-LINUX-ARM_64.rpm",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newPlatform(func(c *qpsapi.Config) { c.Packages = packages.NewFolder(dir) })
	p.hosts.all[2].AgentInfo.ActivatedModules = []string{"AGENT_SwCA", "AGENT_VM"}
	return p
}

// pairXML and pairJSON are requests for a package, or for what there is.
func pairXML(element, platform, architecture string) string {
	return fmt.Sprintf("<ServiceRequest><data><%[1]s><platform>%[2]s</platform><architecture>%[3]s</architecture></%[1]s></data></ServiceRequest>", element, platform, architecture)
}

func pairJSON(element, platform, architecture string) string {
	return fmt.Sprintf(`{"ServiceRequest":{"data":{%q:{"platform":%q,"architecture":%q}}}}`, element, platform, architecture)
}

func compositionXML(id, version string) string {
	return "<ServiceRequest><data><DownloadCDXSbom><assetId>" + id + "</assetId><cdxschemaversion>" + version + "</cdxschemaversion></DownloadCDXSbom></data></ServiceRequest>"
}

func compositionJSON(id, version string) string {
	return `{"ServiceRequest":{"data":[{"DownloadCDXSbom":{"assetId":` + id + `,"cdxschemaversion":"` + version + `"}}]}}`
}

// TestPackageAnswersAreTheSameForBothRequestForms is for packages what
// TestAnswersAreTheSameForBothRequestForms is for the other calls.
func TestPackageAnswersAreTheSameForBothRequestForms(t *testing.T) {
	t.Parallel()
	const info, download = "BinaryInfo", "DownloadBinary"
	for _, tc := range []struct{ name, path, xml, json string }{
		{"packages all", binaryInfoPath, pairXML(info, "ALL", "ALL"), pairJSON(info, "ALL", "ALL")},
		{"packages of a platform", binaryInfoPath + "/", pairXML(info, "LINUX", "ALL"), pairJSON(info, "LINUX", "ALL")},
		{"packages of an architecture", binaryInfoPath, pairXML(info, "ALL", "ARM_64"), pairJSON(info, "ALL", "ARM_64")},
		{"packages of a pair", binaryInfoPath, pairXML(info, "\n LINUX_UBUNTU ", "X_64"), pairJSON(info, "LINUX_UBUNTU", "X_64")},
		{"packages of a platform without any", binaryInfoPath, pairXML(info, "AIX", "ALL"), pairJSON(info, "AIX", "ALL")},
		{"packages of a pair without one", binaryInfoPath, pairXML(info, "WINDOWS", "X_86_64"), pairJSON(info, "WINDOWS", "X_86_64")},
		{"packages of an unknown platform", binaryInfoPath, pairXML(info, "linux", "X_64"), pairJSON(info, "linux", "X_64")},
		{"packages without a pair", binaryInfoPath, "<ServiceRequest/>", `{"ServiceRequest":{}}`},
		{"package download unknown", downloadBinaryPath, pairXML(download, "SOLARIS_SPARC", "SPARC"), pairJSON(download, "SOLARIS_SPARC", "SPARC")},
		{"package download of all", downloadBinaryPath + "/", pairXML(download, "ALL", "X_64"), pairJSON(download, "ALL", "X_64")},
		{"composition that is not there yet", compositionPath + "/", compositionXML("7003003", "CYCLONE_DX_1_6"), compositionJSON("7003003", "CYCLONE_DX_1_6")},
		{"composition without the module", compositionPath, compositionXML("7003001", "CYCLONE_DX_1_4"), compositionJSON(`"7003001"`, "CYCLONE_DX_1_4")},
		{"composition of an unknown asset", compositionPath, compositionXML("1", "CYCLONE_DX_1_4"), compositionJSON("1", "CYCLONE_DX_1_4")},
		{"composition of another version", compositionPath, compositionXML("7003003", "CYCLONE_DX_1_5"), compositionJSON("7003003", "CYCLONE_DX_1_5")},
	} {
		for _, in := range []struct{ form, contentType, body string }{{"xml", "text/xml", tc.xml}, {"json", "application/json", tc.json}} {
			for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
				t.Run(tc.name+"/"+in.form+" in "+out.form+" out", func(t *testing.T) {
					t.Parallel()
					w := newPackagePlatform(t).do(t, request{method: http.MethodPost, path: tc.path, body: in.body, contentType: in.contentType, accept: out.accept})
					got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
					name := filepath.Join("testdata", strings.ReplaceAll(tc.name, " ", "-")+"."+out.form)
					switch {
					case !*update:
						compareGolden(t, name, got)
					case in.form == "xml":
						if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func TestAPackageIsAnsweredAsItsBytes(t *testing.T) {
	t.Parallel()
	const element = "DownloadBinary"
	for _, tc := range []struct{ name, contentType, accept, body, file string }{
		{"deb, asked for in XML", "text/xml", "application/xml", pairXML(element, "LINUX_UBUNTU", "X_64"), "vedette-agent-2.0.0-LINUX_UBUNTU-X_64.deb"},
		{"deb, asked for in JSON", "application/json", "application/json", pairJSON(element, "LINUX_UBUNTU", "X_64"), "vedette-agent-2.0.0-LINUX_UBUNTU-X_64.deb"},
		{"the newest rpm", "", "*/*", pairXML(element, "LINUX", "X_64"), "vedette-agent-2.0.0-LINUX-X_64.rpm"},
		{"for arm", "", "", pairXML(element, "LINUX", "ARM_64"), "vedette-agent-2.0.0-LINUX-ARM_64.rpm"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newPackagePlatform(t).do(t, request{method: "POST", path: downloadBinaryPath, body: tc.body, contentType: tc.contentType, accept: tc.accept})
			h := w.Header()
			if w.Code != 200 || w.Body.String() != tc.file || h.Get("Content-Type") != "application/octet-stream" ||
				h.Get("Content-Disposition") != "attachment; filename="+tc.file || h.Get("Content-Length") != fmt.Sprint(len(tc.file)) {
				t.Errorf("status %d, header %v, body %.100q", w.Code, h, w.Body)
			}
		})
	}
}

func TestBadPackageRequestsAreAnsweredClearly(t *testing.T) {
	t.Parallel()
	element := func(name, children string) string {
		return "<ServiceRequest><data><" + name + ">" + children + "</" + name + "></data></ServiceRequest>"
	}
	const platforms = "Values expected: WINDOWS, MACOSX, MACOSX_M_1, LINUX, LINUX_UBUNTU, LINUX_PPC_64_LE, LINUX_COREOS, LINUX_S_390_X, LINUX_UBUNTU_S_390_X, LINUX_AWSBR, GENTOO_LINUX, AIX, BSD, SOLARIS_X_86, SOLARIS_SPARC"
	const architectures = "Values expected: X_86_64, X_64, ARM_64, POWER_5, SPARC, PPC_64_LE, S_390_X"
	for _, tc := range []struct {
		name, path, body string
		status           int
		code             qps.ResponseCode
		says             string // of message and resolution together
	}{
		{"no platform", binaryInfoPath, element("BinaryInfo", "<architecture>X_64</architecture>"), 200, qps.CodeInvalidRequest, "platform: the value is missing. " + platforms + ", ALL."},
		{"empty architecture", binaryInfoPath, pairXML("BinaryInfo", "LINUX", " "), 200, qps.CodeInvalidRequest, "architecture: the value is missing. " + architectures + ", ALL."},
		{"architecture in another case", binaryInfoPath, pairXML("BinaryInfo", "ALL", "x_64"), 200, qps.CodeInvalidRequest, "architecture: invalid value 'x_64'; values are case-sensitive."},
		{"a misspelled element", binaryInfoPath, element("BinaryInfo", "<Platform>LINUX</Platform><architecture>ALL</architecture>"), 200, qps.CodeInvalidRequest, "BinaryInfo: unknown element 'Platform'. Elements expected: platform, architecture."},
		{"a platform twice", binaryInfoPath, element("BinaryInfo", "<platform>LINUX</platform><platform>AIX</platform>"), 200, qps.CodeInvalidRequest, "'platform' is given more than once"},
		{"a platform with elements", binaryInfoPath, element("BinaryInfo", "<platform><name>LINUX</name></platform>"), 200, qps.CodeInvalidRequest, "'platform' holds elements"},
		{"the element of the other call", binaryInfoPath, pairXML("DownloadBinary", "LINUX", "X_64"), 200, qps.CodeInvalidRequest, "data does not hold one BinaryInfo"},
		{"two elements", binaryInfoPath, "<ServiceRequest><data><BinaryInfo/><BinaryInfo/></data></ServiceRequest>", 200, qps.CodeInvalidRequest, "data does not hold one BinaryInfo"},
		{"no body", binaryInfoPath, "", 200, qps.CodeInvalidRequest, "data does not hold one BinaryInfo"},
		{"cut off XML", binaryInfoPath, "<ServiceRequest><data>", 200, qps.CodeInvalidXML, "XML"},
		{"another version", strings.Replace(binaryInfoPath, "1.0", "2.0", 1), pairXML("BinaryInfo", "ALL", "ALL"), 200, qps.CodeInvalidAPIVersion, "Versions expected: 1.0."},

		{"download of all architectures", downloadBinaryPath, pairXML("DownloadBinary", "LINUX", "ALL"), 200, qps.CodeInvalidRequest, "architecture: invalid value 'ALL'; values are case-sensitive. " + architectures + "."},
		{"download of a pair without a package", downloadBinaryPath, pairXML("DownloadBinary", "LINUX", "PPC_64_LE"), 200, qps.CodeNotFound, "no agent package for platform 'LINUX' and architecture 'PPC_64_LE'. Ask binaryinfo for platform ALL"},
		{"download by a path", downloadBinaryPath, pairXML("DownloadBinary", "../LINUX", "X_64"), 200, qps.CodeInvalidRequest, "'../LINUX'"},
		{"download of another version", strings.Replace(downloadBinaryPath, "1.0", "2.0", 1), pairXML("DownloadBinary", "LINUX", "X_64"), 200, qps.CodeInvalidAPIVersion, "Versions expected: 1.0."},
		{"download without a body", downloadBinaryPath, "", 200, qps.CodeInvalidRequest, "data does not hold one DownloadBinary"},
		{"download of 5 MB", downloadBinaryPath, pairXML("DownloadBinary", strings.Repeat("x", 5<<20), "X_64"), 413, qps.CodeInvalidRequest, "4194304"},

		{"composition without an asset", compositionPath, element("DownloadCDXSbom", "<cdxschemaversion>CYCLONE_DX_1_4</cdxschemaversion>"), 200, qps.CodeInvalidRequest, "assetId: the value is missing. Specify the id of the asset (HostAsset.id) as Long."},
		{"composition of text", compositionPath, compositionXML("edge", "CYCLONE_DX_1_4"), 200, qps.CodeInvalidRequest, "assetId: invalid value 'edge'."},
		{"composition beyond 64 bits", compositionPath, compositionXML("9223372036854775808", "CYCLONE_DX_1_4"), 200, qps.CodeInvalidRequest, "assetId: invalid value '9223372036854775808'."},
		{"composition of a negative asset", compositionPath, compositionXML("-1", "CYCLONE_DX_1_4"), 200, qps.CodeNotFound, "There is no asset -1."},
		{"composition without a version", compositionPath, element("DownloadCDXSbom", "<assetId>7003003</assetId>"), 200, qps.CodeInvalidRequest, "cdxschemaversion: the value is missing. Values expected: CYCLONE_DX_1_4, CYCLONE_DX_1_6."},
		{"composition with a version in another case", compositionPath, compositionXML("7003003", "cyclone_dx_1_4"), 200, qps.CodeInvalidRequest, "'cyclone_dx_1_4'"},
		{"composition with another name of the version", compositionPath, element("DownloadCDXSbom", "<assetId>7003003</assetId><cdxSchemaVersion>CYCLONE_DX_1_4</cdxSchemaVersion>"), 200, qps.CodeInvalidRequest, "unknown element 'cdxSchemaVersion'. Elements expected: assetId, cdxschemaversion."},
		{"composition without the module", compositionPath, compositionXML("7003002", "CYCLONE_DX_1_4"), 200, qps.CodeInvalidRequest, "assetId: AGENT_SwCA is not activated on asset 7003002. Activate AGENT_SwCA"},
		{"composition without a body", compositionPath, "", 200, qps.CodeInvalidRequest, "data does not hold one DownloadCDXSbom"},
		{"composition of another API version", strings.Replace(compositionPath, "1.0", "2.0", 1), compositionXML("7003003", "CYCLONE_DX_1_4"), 200, qps.CodeInvalidAPIVersion, "Versions expected: 1.0."},
	} {
		for _, accept := range []string{"application/xml", "application/json"} {
			t.Run(tc.name+" as "+accept, func(t *testing.T) {
				t.Parallel()
				w := newPackagePlatform(t).do(t, request{method: "POST", path: tc.path, body: tc.body, accept: accept})
				response := envelope(t, w)
				if w.Code != tc.status || w.Header().Get("Content-Type") != accept || response.Code != tc.code || response.Error == nil || response.Error.Resolution == "" {
					t.Fatalf("status %d, %s: %v, want %d with %s", w.Code, w.Header().Get("Content-Type"), response.Err(0), tc.status, tc.code)
				}
				if text := response.Error.Message + " " + response.Error.Resolution; !strings.Contains(text, tc.says) {
					t.Errorf("explanation %q lacks %q", text, tc.says)
				}
			})
		}
	}
}

func TestPackagesArePostedForByThoseWhoMayReadAssets(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		binaryInfoPath:     pairXML("BinaryInfo", "ALL", "ALL"),
		downloadBinaryPath: pairXML("DownloadBinary", "LINUX", "X_64"),
		compositionPath:    compositionXML("7003003", "CYCLONE_DX_1_6"),
	}
	for path, body := range bodies {
		p := newPackagePlatform(t)
		for _, tc := range []struct {
			request
			status int
			code   qps.ResponseCode
		}{
			{request{path: path}, 405, qps.CodeOperationNotSupported},
			{request{method: "POST", path: path, body: body, user: "-"}, 401, qps.CodeAuthCredentialsNeeded},
			{request{method: "POST", path: path, body: body, user: "admin", password: "wrong"}, 401, qps.CodeInvalidCredentials},
			{request{method: "POST", path: path, body: body, user: "visitor", password: "right"}, 401, qps.CodeUnauthorized},
		} {
			w := p.do(t, tc.request)
			if response := envelope(t, w); w.Code != tc.status || response.Code != tc.code {
				t.Errorf("%s by %q: status %d, %v, want %d with %s", path, tc.user, w.Code, response.Err(0), tc.status, tc.code)
			}
		}
	}
}

// reader is somebody who may read the assets with tag 51077.
type reader struct{ users }

func (reader) Authenticate(context.Context, string, string, string) (access.Principal, error) {
	role := access.Role{ID: 2, Name: "Reader", Permissions: []access.Permission{access.APIAccess, access.ReadAsset}}
	return access.NewPrincipal(access.User{Username: "reader", Roles: []access.Role{role}, Scope: access.Scope{TagIDs: []int64{51077}, Reach: []int64{51077}}}), nil
}

func TestCompositionsOutOfScopeAreNotFound(t *testing.T) {
	t.Parallel()
	p := newPlatform(func(c *qpsapi.Config) { c.Users = reader{} })
	for i := range p.hosts.all {
		p.hosts.all[i].AgentInfo.ActivatedModules = []string{"AGENT_SwCA", "AGENT_VM"}
	}
	p.hosts.all[3].Tags = append(p.hosts.all[3].Tags, qps.TagSimple{ID: 51077, Name: "Edge"})
	for id, want := range map[string]qps.ResponseCode{"7003003": qps.CodeNotFound, "7003004": qps.CodeInvalidRequest} {
		response := envelope(t, p.do(t, request{method: "POST", path: compositionPath, body: compositionXML(id, "CYCLONE_DX_1_6")}))
		if response.Code != want {
			t.Errorf("asset %s: %v, want %s", id, response.Err(0), want)
		}
	}
}

// slowPackages holds every download until it is released.
type slowPackages struct {
	begun, release chan struct{}
}

func (slowPackages) List(context.Context) ([]fleet.Package, error) { return nil, nil }

func (s slowPackages) Open(context.Context, string, string) (fleet.Package, io.ReadSeekCloser, error) {
	s.begun <- struct{}{}
	<-s.release
	return fleet.Package{}, nil, fault.New(fault.NotFound, "m", "r")
}

func TestDownloadsTakeNoPlaceOfOtherCalls(t *testing.T) {
	t.Parallel()
	slow := slowPackages{begun: make(chan struct{}), release: make(chan struct{})}
	p := newPlatform(func(c *qpsapi.Config) { c.Packages, c.Budget = slow, server.NewBudget(1) })
	const downloads = 12 // those of one user; three quarters of all
	body := pairXML("DownloadBinary", "LINUX", "X_64")
	ended := make(chan int)
	for range downloads {
		go func() { ended <- p.do(t, request{method: "POST", path: downloadBinaryPath, body: body}).Code }()
		<-slow.begun
	}
	if w := p.do(t, request{method: "POST", path: downloadBinaryPath, body: body}); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one download more got %d", w.Code)
	}
	if w := p.do(t, request{method: "POST", path: binaryInfoPath, body: pairXML("BinaryInfo", "ALL", "ALL")}); w.Code != 200 {
		t.Errorf("another call got %d", w.Code)
	}
	close(slow.release)
	for range downloads {
		if code := <-ended; code != 200 { // with an envelope that says not found
			t.Errorf("a download got %d", code)
		}
	}
}

// brokenPackages cannot be read.
type brokenPackages struct{}

func (brokenPackages) List(context.Context) ([]fleet.Package, error) {
	return nil, errors.New("read /srv/secret: input/output error")
}

func (brokenPackages) Open(context.Context, string, string) (fleet.Package, io.ReadSeekCloser, error) {
	return fleet.Package{}, nil, errors.New("read /srv/secret: input/output error")
}

func TestFailuresOfPackagesGiveNoDetails(t *testing.T) {
	t.Parallel()
	p := newPlatform(func(c *qpsapi.Config) { c.Packages = brokenPackages{} })
	for path, body := range map[string]string{binaryInfoPath: pairXML("BinaryInfo", "ALL", "ALL"), downloadBinaryPath: pairXML("DownloadBinary", "LINUX", "X_64")} {
		w := p.do(t, request{method: "POST", path: path, body: body})
		if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || envelope(t, w).Code != qps.CodeOtherError {
			t.Errorf("%s: status %d with %s", path, w.Code, w.Body)
		}
	}
}
