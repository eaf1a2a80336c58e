package qps

const responseElement = "ServiceResponse"

// AppendResponse appends resp to dst in the given form and returns the extended
// slice. fields, when not nil, limits the elements of each record.
func AppendResponse(dst []byte, form Form, resp *Response, fields *Fields) []byte {
	if form == JSON {
		s := &jsonSink{b: append(dst, '{')}
		s.begin(responseElement)
		writeResponse(s, resp, fields)
		s.end(responseElement)
		return append(s.b, '}')
	}
	s := &xmlSink{b: append(dst, xmlDeclaration...)}
	s.responseStart(resp)
	writeResponse(s, resp, fields)
	s.end(responseElement)
	return append(s.b, '\n')
}

// responseStart opens the root element. Only the schema instance namespace is
// declared: with a default namespace clients do not find ServiceResponse.
func (s *xmlSink) responseStart(resp *Response) {
	s.begin(responseElement)
	if resp.Schema == "" {
		return
	}
	s.b = append(s.b[:len(s.b)-1], ` xmlns:xsi="`+schemaInstance+`" xsi:noNamespaceSchemaLocation="`...)
	s.b = appendXMLAttribute(s.b, resp.BaseURL)
	s.b = appendXMLAttribute(s.b, resp.Schema)
	s.b = append(s.b, '"', '>')
}

func writeResponse(s sink, resp *Response, fields *Fields) {
	s.text("responseCode", string(resp.Code))
	if resp.Code != CodeSuccess {
		writeErrorDetails(s, resp.Error)
		return
	}
	if resp.HasCount {
		s.integer("count", resp.Count)
	}
	if len(resp.Records) == 0 {
		return
	}
	if resp.HasMore != nil {
		s.boolean("hasMoreRecords", *resp.HasMore)
		optInteger(s, "lastId", resp.LastID)
	}
	content := fields.limit(s)
	s.data()
	for _, r := range resp.Records {
		name := r.ElementName()
		s.item(name)
		r.writeTo(content)
		s.endItem(name)
	}
	s.endData()
}

func writeErrorDetails(s sink, details *ErrorDetails) {
	if details == nil {
		return
	}
	s.begin("responseErrorDetails")
	s.text("errorMessage", details.Message)
	s.text("errorResolution", details.Resolution)
	s.end("responseErrorDetails")
}

// AppendRawData appends resp as the JSON that automation shows as a command's
// raw data: records of one kind are one array under data, so that the path
// $.ServiceResponse.data.HostAsset[*].id finds every id. Pages of one search
// are merged by passing their records in one Response; the count is that of the
// records. A success without records has an empty array, of the kind that the
// schema names if such objects are managed by lists, otherwise HostAsset.
func AppendRawData(dst []byte, resp *Response) []byte {
	s := &jsonSink{b: append(dst, '{')}
	s.begin(responseElement)
	s.text("responseCode", string(resp.Code))
	if resp.Code == CodeSuccess {
		s.rawRecords(resp)
	} else {
		writeErrorDetails(s, resp.Error)
	}
	s.end(responseElement)
	return append(s.b, '}')
}

func (s *jsonSink) rawRecords(resp *Response) {
	count := int64(len(resp.Records))
	if count == 0 {
		count = resp.Count
	}
	s.integer("count", count)
	s.begin(dataElement)
	names, groups := groupRecords(resp.Records)
	if len(names) == 0 {
		names = append(names, kindOf(resp.Schema))
	}
	for _, name := range names {
		s.array(name)
		for _, r := range groups[name] {
			s.element()
			r.writeTo(s)
			s.b = append(s.b, '}')
		}
		s.endArray()
	}
	s.end(dataElement)
}

// groupRecords returns the element names in order of first occurrence, and the
// records of each.
func groupRecords(records []Record) (names []string, groups map[string][]Record) {
	groups = make(map[string][]Record)
	for _, r := range records {
		name := r.ElementName()
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], r)
	}
	return names, groups
}

// kindOf returns the element name of the records that answers of a schema have:
// HostAsset for those that are not managed by lists.
func kindOf(schema string) string {
	switch schema {
	case SchemaTag:
		return (*Tag)(nil).ElementName()
	case SchemaAgentActKey:
		return (*AgentActKey)(nil).ElementName()
	case SchemaAgentConfig:
		return (*AgentConfig)(nil).ElementName()
	case SchemaAwsAssetDataConnector, SchemaAwsAssetDataConnectorV3:
		return awsConnectorElement
	case SchemaAssetDataConnector:
		return connectorElement
	case SchemaAssetDataConnectorErrors:
		return connectorErrorsElement
	case SchemaAwsAuthRecord:
		return awsAuthRecordElement
	case SchemaAwsBaseAccount:
		return awsBaseAccountElement
	}
	return (*HostAsset)(nil).ElementName()
}
