package mototest

import (
	"fmt"
	"net/http"
	"strconv"
)

// Replay answers DescribeInstances with so many running instances, in pages of as
// many as are asked for. They have the form and the size of what AWS tells of an
// instance with eight tags, and are the same every time. moto would take
// minutes to make thousands.
func Replay(instances int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, asked Request, _ http.Handler) {
		size, _ := strconv.Atoi(asked.Form.Get("MaxResults"))
		from, _ := strconv.Atoi(asked.Form.Get("NextToken"))
		to := min(from+max(size, 5), instances)
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>8f7724cf-496f-496e-8fe3-000000000000</requestId><reservationSet>`)
		for i := from; i < to; i++ {
			replayInstance(w, asked.Region, i)
		}
		fmt.Fprint(w, `</reservationSet>`)
		if to < instances {
			fmt.Fprintf(w, `<nextToken>%d</nextToken>`, to)
		}
		fmt.Fprint(w, `</DescribeInstancesResponse>`)
	}
}

func replayInstance(w http.ResponseWriter, region string, i int) {
	b, c, d := i>>16&255, i>>8&255, i&255
	fmt.Fprintf(w, `<item><reservationId>r-%017x</reservationId><ownerId>000001000000</ownerId><groupSet/><instancesSet><item>`+
		`<instanceId>i-%017x</instanceId><imageId>ami-0bff25b43a4479334</imageId><instanceState><code>16</code><name>running</name></instanceState>`+
		`<privateDnsName>ip-10-%d-%d-%d.%s.compute.internal</privateDnsName><dnsName/><reason/><keyName>operators</keyName>`+
		`<amiLaunchIndex>0</amiLaunchIndex><productCodes/><instanceType>m5.large</instanceType><launchTime>2026-03-04T05:06:07.000Z</launchTime>`+
		`<placement><availabilityZone>%sa</availabilityZone><groupName/><tenancy>default</tenancy></placement><monitoring><state>disabled</state></monitoring>`+
		`<subnetId>subnet-0aa11bb22cc33dd44</subnetId><vpcId>vpc-0aa11bb22cc33dd44</vpcId><privateIpAddress>10.%d.%d.%d</privateIpAddress>`+
		`<sourceDestCheck>true</sourceDestCheck><groupSet><item><groupId>sg-0e1f2a3b4c5d6e7f8</groupId><groupName>web</groupName></item></groupSet>`+
		`<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>`+
		`<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-%017x</volumeId><status>attached</status>`+
		`<attachTime>2026-03-04T05:06:08.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>`+
		`<virtualizationType>hvm</virtualizationType><clientToken>00000000-0000-0000-0000-%012x</clientToken><hypervisor>xen</hypervisor>`,
		i, i, b, c, d, region, region, b, c, d, i, i)
	fmt.Fprintf(w, `<networkInterfaceSet><item><networkInterfaceId>eni-%017x</networkInterfaceId><subnetId>subnet-0aa11bb22cc33dd44</subnetId>`+
		`<vpcId>vpc-0aa11bb22cc33dd44</vpcId><description/><ownerId>000001000000</ownerId><status>in-use</status><macAddress>06:00:00:%02x:%02x:%02x</macAddress>`+
		`<privateIpAddress>10.%d.%d.%d</privateIpAddress><sourceDestCheck>true</sourceDestCheck>`+
		`<attachment><attachmentId>eni-attach-%017x</attachmentId><deviceIndex>0</deviceIndex><networkCardIndex>0</networkCardIndex><status>attached</status></attachment>`+
		`</item></networkInterfaceSet><ebsOptimized>true</ebsOptimized><platformDetails>Linux/UNIX</platformDetails><usageOperation>RunInstances</usageOperation><tagSet>`,
		i, b, c, d, b, c, d, i)
	fmt.Fprintf(w, `<item><key>Name</key><value>host-%d</value></item>`, i)
	for n := range 7 {
		fmt.Fprintf(w, `<item><key>label-%d</key><value>value-%d</value></item>`, n, i%(n+2))
	}
	fmt.Fprint(w, `</tagSet></item></instancesSet></item>`)
}
