package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
)

// conversation is what a client says to a platform that has three agents and,
// beside the system tag, no tag: every QPS call that is about what is stored, with
// outcomes of each kind. Later calls see what earlier ones did.
var conversation = []struct{ method, path, body string }{
	{"POST", "2.0/create/am/tag", `<ServiceRequest><data><Tag><name>Edge</name><color>#1F77B4</color><children><set><TagSimple><name>West</name></TagSimple><TagSimple><name>East &amp; more</name></TagSimple></set></children></Tag></data></ServiceRequest>`},
	{"POST", "2.0/create/am/tag", `{"ServiceRequest": {"data": {"Tag": {"name": "Debian", "ruleType": "OS_REGEX", "ruleText": "^Debian"}}}}`},
	{"POST", "2.0/create/am/tag", `<ServiceRequest><data><Tag><name>Bad</name><ruleType>OS_REGEX</ruleType><ruleText>(</ruleText></Tag></data></ServiceRequest>`},
	{"POST", "2.0/create/am/tag", `<ServiceRequest><data><Tag><name>Below nothing</name><parentTagId>999</parentTagId></Tag></data></ServiceRequest>`},
	{"POST", "2.0/search/am/tag", ``},
	{"POST", "2.0/search/am/tag", `<ServiceRequest><filters><Criteria field="name" operator="CONTAINS">es</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/count/am/tag", ``},
	{"POST", "2.0/update/am/tag/2", `<ServiceRequest><data><Tag><name>Edge sites</name></Tag></data></ServiceRequest>`},
	{"GET", "2.0/get/am/tag/2", ``},
	{"GET", "2.0/get/am/tag/999", ``},
	{"POST", "2.0/evaluate/am/tag/2", ``},

	{"POST", "1.0/create/ca/agentactkey", `<ServiceRequest><data><AgentActKey><title>Racks</title><type>COUNT_LIMITED</type><countPurchased>2</countPurchased><modules><list><ActivationKeyModule><license>VM_LICENSE</license></ActivationKeyModule></list></modules><tags><list><Tag><id>2</id></Tag></list></tags></AgentActKey></data></ServiceRequest>`},
	{"POST", "1.0/create/ca/agentactkey", `{"ServiceRequest": {"data": {"AgentActKey": {"title": "Until", "type": "TIME_LIMITED", "expireDate": "2031-12-31T00:00:00Z"}}}}`},
	{"POST", "1.0/create/ca/agentactkey", `<ServiceRequest><data><AgentActKey><title>x</title><type>FOREVER</type></AgentActKey></data></ServiceRequest>`},
	{"POST", "1.0/create/ca/agentactkey", `<ServiceRequest><data><AgentActKey><title>x</title><type>UNLIMITED</type><tags><list><Tag><id>999</id></Tag></list></tags></AgentActKey></data></ServiceRequest>`},
	{"POST", "1.0/search/ca/agentactkey", ``},
	{"POST", "1.0/count/ca/agentactkey", `<ServiceRequest><filters><Criteria field="type" operator="EQUALS">COUNT_LIMITED</Criteria></filters></ServiceRequest>`},
	{"POST", "1.0/update/ca/agentactkey/2", `<ServiceRequest><data><AgentActKey><title>Racks and rows</title><applyOnAgents>true</applyOnAgents></AgentActKey></data></ServiceRequest>`},
	{"GET", "1.0/get/ca/agentactkey/2", ``},
	{"POST", "1.0/delete/ca/agentactkey/3", ``},
	{"POST", "1.0/delete/ca/agentactkey/999", ``},

	{"POST", "1.0/create/ca/agentconfig", `<ServiceRequest><data><AgentConfig><name>Quiet</name><description>by night</description><isDefault>false</isDefault><suspendScanning>false</suspendScanning><tags><includeTags><list><ConfigTag><id>2</id></ConfigTag></list></includeTags><includeResolution>ANY</includeResolution></tags><performanceProfile><settings><list><PerformanceLevelSettings><key>CPU_LIMIT</key><value>2</value></PerformanceLevelSettings></list></settings></performanceProfile></AgentConfig></data></ServiceRequest>`},
	{"POST", "1.0/create/ca/agentconfig", `<ServiceRequest><data><AgentConfig><name>Loud</name><isDefault>false</isDefault><tags><includeTags><list><ConfigTag><id>999</id></ConfigTag></list></includeTags></tags></AgentConfig></data></ServiceRequest>`},
	{"POST", "1.0/create/ca/agentconfig", `<ServiceRequest><data><AgentConfig><name>Quiet</name><isDefault>false</isDefault><tags/></AgentConfig></data></ServiceRequest>`},
	{"POST", "1.0/search/ca/agentconfig?fields=id,name,priority,totalAgents,tags", ``},
	{"POST", "1.0/count/ca/agentconfig", ``},
	{"GET", "1.0/get/ca/agentconfig/1", ``},
	{"POST", "1.0/delete/ca/agentconfig/1", ``},

	{"POST", "2.0/count/am/hostasset", ``},
	{"POST", "2.0/search/am/hostasset", ``},
	{"POST", "2.0/search/am/hostasset?fields=id,name,tags.list.TagSimple.name", `<ServiceRequest><preferences><limitResults>2</limitResults></preferences><filters><Criteria field="os" operator="CONTAINS">Linux</Criteria><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/search/am/hostasset?fields=id", `<ServiceRequest><preferences><startFromId>2</startFromId></preferences></ServiceRequest>`},
	{"POST", "2.0/search/am/hostasset?fields=id", `<ServiceRequest><preferences><startFromOffset>3</startFromOffset></preferences></ServiceRequest>`},
	{"POST", "2.0/search/am/hostasset", `<ServiceRequest><filters><Criteria field="name" operator="EQUALS">nothing</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/search/am/hostasset", `<ServiceRequest><filters><Criteria field="name" operator="GREATER">x</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/search/am/asset", `<ServiceRequest><filters><Criteria field="id" operator="IN">1,3</Criteria></filters></ServiceRequest>`},
	{"GET", "2.0/get/am/hostasset/1", ``},
	{"GET", "2.0/get/am/asset/2", ``},
	{"GET", "2.0/get/am/hostasset/999", ``},
	{"POST", "2.0/update/am/hostasset/1", `<ServiceRequest><data><HostAsset><tags><add><TagSimple><id>2</id></TagSimple></add></tags></HostAsset></data></ServiceRequest>`},
	{"POST", "2.0/update/am/hostasset", `<ServiceRequest><filters><Criteria field="name" operator="CONTAINS">edge</Criteria></filters><data><HostAsset><tags><add><TagSimple><id>3</id></TagSimple></add></tags></HostAsset></data></ServiceRequest>`},
	{"POST", "2.0/update/am/hostasset/1", `<ServiceRequest><data><HostAsset><tags><add><TagSimple><id>1</id></TagSimple></add></tags></HostAsset></data></ServiceRequest>`},
	{"POST", "2.0/update/am/hostasset", `<ServiceRequest><data><HostAsset><tags><add><TagSimple><id>2</id></TagSimple></add></tags></HostAsset></data></ServiceRequest>`},
	{"POST", "2.0/search/am/hostasset?fields=id,tags", ``},
	{"POST", "2.0/deactivate/am/asset/1?module=AGENT_PC", ``},
	{"POST", "2.0/activate/am/asset/1?module=AGENT_SCA", ``},
	{"POST", "2.0/activate/am/asset/1?module=AGENT_PC", ``},
	{"POST", "2.0/activate/am/asset?module=AGENT_VM,%20AGENT_SwCA", `<ServiceRequest><filters><Criteria field="id" operator="GREATER">0</Criteria></filters></ServiceRequest>`},
	{"POST", "1.0/ods/ca/agentasset/1?scan=Inventory_Scan", ``},
	{"POST", "1.0/ods/ca/agentasset?scan=Inventory_Scan&overrideConfigCpu=true", `<ServiceRequest><filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria></filters></ServiceRequest>`},
	{"POST", "1.0/ods/ca/agentasset/999?scan=Inventory_Scan", ``},
	{"POST", "1.0/cak/ca/changeactkey", `<ServiceRequest><filters><Criteria field="id" operator="IN">1,2</Criteria></filters><data><ChangeActKey><newActivationKey>5d2f0000-0000-4000-8000-00000000b0ff</newActivationKey></ChangeActKey></data></ServiceRequest>`},
	{"POST", "1.0/download/ca/downloadcdxsbom", `<ServiceRequest><data><DownloadCDXSbom><assetId>1</assetId><cdxschemaversion>CYCLONE_DX_1_6</cdxschemaversion></DownloadCDXSbom></data></ServiceRequest>`},
	{"POST", "2.0/uninstall/am/asset/3", ``},
	{"POST", "2.0/uninstall/am/asset/3", ``},
	{"POST", "2.0/uninstall/am/hostasset", `<ServiceRequest><filters><Criteria field="name" operator="NOT EQUALS">x</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/count/am/hostasset", ``},
	{"POST", "2.0/create/awsauthrecord", `<ServiceRequest><data><AwsAuthRecord><name>gov</name><accessKeyId>AKIAIOSFODNN7EXAMPLE</accessKeyId><secretKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY</secretKey></AwsAuthRecord></data></ServiceRequest>`},
	{"POST", "3.0/create/am/awsauthrecord", `<ServiceRequest><data><AwsAuthRecord><name>half</name><accessKeyId>AKIAIOSFODNN7EXAMPLE</accessKeyId></AwsAuthRecord></data></ServiceRequest>`},
	{"PUT", "2.0/update/am/awsauthrecord/1", `{"ServiceRequest": {"data": {"AwsAuthRecord": {"description": "of <2031>"}}}}`},
	{"POST", "2.0/search/am/awsauthrecord", ``},
	{"POST", "2.0/create/awsassetdataconnector", `<ServiceRequest><data><AwsAssetDataConnector><name>gov-cloud</name><isGovCloudConfigured>true</isGovCloudConfigured><authRecord><id>1</id></authRecord></AwsAssetDataConnector></data></ServiceRequest>`},
	{"POST", "2.0/create/am/awsassetdataconnector", `<ServiceRequest><data><AwsAssetDataConnector><name>production</name><description>the &lt;first&gt;</description><defaultTags><set><TagSimple><name>Debian</name></TagSimple></set></defaultTags><activation><set><ActivationModule>PC</ActivationModule><ActivationModule>VM</ActivationModule></set></activation><disabled>true</disabled><runFrequency>60</runFrequency><authRecord><id>1</id></authRecord><endpoints><add><AwsEndpointSimple><regionCode>us-east-1</regionCode></AwsEndpointSimple><AwsEndpointSimple><regionCode>eu-west-1</regionCode></AwsEndpointSimple></add></endpoints></AwsAssetDataConnector></data></ServiceRequest>`},
	{"POST", "3.0/create/am/awsassetdataconnector", `{"ServiceRequest": {"data": {"AwsAssetDataConnector": {"name": "inventory", "allRegions": "true", "isCPSEnabled": true, "connectorAppInfos": {"set": {"ConnectorAppInfoQList": [{"set": {"ConnectorAppInfo": {"name": "AI", "identifier": "x", "tagId": 2}}}]}}}}}}`},
	{"POST", "3.0/create/am/awsassetdataconnector", `<ServiceRequest><data><AwsAssetDataConnector><name>none</name><allRegions>true</allRegions><authRecord><id>999</id></authRecord></AwsAssetDataConnector></data></ServiceRequest>`},
	{"POST", "3.0/create/am/awsassetdataconnector", `<ServiceRequest><data><AwsAssetDataConnector><name>none</name><allRegions>true</allRegions><defaultTags><set><TagSimple><id>999</id></TagSimple></set></defaultTags></AwsAssetDataConnector></data></ServiceRequest>`},
	{"POST", "3.0/search/am/awsassetdataconnector", ``},
	{"POST", "2.0/search/awsassetdataconnector", `<ServiceRequest><filters><Criteria field="defaultTags.name" operator="EQUALS">Debian</Criteria></filters></ServiceRequest>`},
	{"GET", "2.0/get/am/assetdataconnector/2", ``},
	{"GET", "2.0/get/am/awsassetdataconnector/999", ``},
	{"POST", "2.0/update/am/awsassetdataconnector", `<ServiceRequest><filters><Criteria field="connectorState" operator="IN">DISABLED,INCOMPLETE</Criteria></filters><data><AwsAssetDataConnector><disabled>true</disabled><activation><remove><ActivationModule>PC</ActivationModule></remove></activation></AwsAssetDataConnector></data></ServiceRequest>`},
	{"POST", "3.0/search/am/awsassetdataconnector", ``},
	{"POST", "3.0/run/am/awsassetdataconnector", `<ServiceRequest><filters><Criteria field="id" operator="GREATER">0</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/run/am/assetdataconnector/1", ``},
	{"POST", "3.0/search/am/assetdataconnectorerrors", ``},
	{"POST", "3.0/search/am/awsbaseaccount", ``},
	{"DELETE", "2.0/delete/am/awsauthrecord/1", ``},
	{"DELETE", "3.0/delete/awsassetdataconnector/1", ``},
	{"POST", "2.0/count/am/awsassetdataconnector", ``},
	{"POST", "2.0/delete/am/awsassetdataconnector", `<ServiceRequest><filters><Criteria field="name" operator="CONTAINS">o</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/delete/am/awsauthrecord", `<ServiceRequest><filters><Criteria field="id" operator="EQUALS">1</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/delete/am/tag/2", ``},
	{"POST", "2.0/delete/am/tag", `<ServiceRequest><filters><Criteria field="name" operator="EQUALS">Debian</Criteria></filters></ServiceRequest>`},
	{"POST", "2.0/search/am/tag", ``},
}

// varying is what two platforms say differently: times, UUIDs they have made,
// their addresses, and that a rule waits, which it does for an instant.
var varying = regexp.MustCompile(`\s*<reEvalStatus>QUEUED</reEvalStatus>|,"reEvalStatus":"QUEUED"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|127\.0\.0\.1:\d+`)

// TestBothEnginesGiveTheSameAnswers has the same conversation with a platform on
// SQLite and one on PostgreSQL, in both forms of the answer.
func TestBothEnginesGiveTheSameAnswers(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"application/xml", "application/json"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			onSQLite := converse(t, platformConfig{}, form)
			onPostgreSQL := converse(t, platformConfig{Database: pgtest.Database(t)}, form)
			for i, call := range conversation {
				if diff := gocmp.Diff(onSQLite[i], onPostgreSQL[i]); diff != "" {
					t.Errorf("%d. %s %s %s (-SQLite +PostgreSQL):\n%s", i, call.method, call.path, call.body, diff)
				}
			}
		})
	}
}

// awaitRules waits until the rules of all tags are evaluated.
func (p *operatorPlatform) awaitRules(t *testing.T) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		tags, err := p.store.Tags(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(tags, func(tag fleet.Tag) bool { return tag.Evaluating }) {
			return
		}
		<-again.C
	}
}

// converse returns the answers of a platform, without what varies.
func converse(t *testing.T, config platformConfig, form string) []string {
	t.Helper()
	p := startOperatorPlatform(t, config)
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	long := time.Now().AddDate(0, -1, 0)
	for n, host := range []agentwire.Host{
		{Name: "edge-cache-01", OS: "Debian GNU/Linux 12", Platform: "Linux", FQDN: "edge-cache-01.example.net"},
		{Name: "edge-cache-02 <new>", OS: "Rocky Linux 9.3", Platform: "Linux"},
		{Name: "core-01", OS: "Debian GNU/Linux 11", Platform: "Linux"},
	} {
		_, err := p.store.EnrolAgent(t.Context(), fleet.Enrolment{
			ActivationKey: p.admin.activationKey, PublicKey: storetest.PublicKey(n), AgentID: storetest.AgentID(n), AgentVersion: "2.0.0", Host: host, At: long,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	answers := make([]string, len(conversation))
	for i, call := range conversation {
		r, err := http.NewRequestWithContext(t.Context(), call.method, p.url+"/qps/rest/"+call.path, bytes.NewBufferString(call.body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("boss", operatorPassword)
		r.Header.Set("Accept", form)
		response, err := p.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%d. %s %s is answered %s:\n%s", i, call.method, call.path, response.Status, content)
		}
		p.awaitRules(t)
		answers[i] = fmt.Sprintf("%d %s\n%s", response.StatusCode, response.Header.Get("Content-Type"), varying.ReplaceAllString(string(content), ""))
	}
	return answers
}
