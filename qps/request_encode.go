package qps

// EncodeRequest returns the body of a request. Preferences that are zero or
// have their default value are left out, attributes of Data are not written,
// and characters XML does not allow are replaced by U+FFFD.
func EncodeRequest(form Form, req *Request) []byte {
	if form == JSON {
		return encodeRequestJSON(req)
	}
	return encodeRequestXML(req)
}

// preference is a preference that differs from its default.
type preference struct {
	name  string
	value int64
}

func (p Preferences) set() []preference {
	var set []preference
	add := func(name string, value, standard int64) {
		if value != 0 && value != standard {
			set = append(set, preference{name, value})
		}
	}
	add("limitResults", int64(p.LimitResults), DefaultLimitResults)
	add("startFromOffset", p.StartFromOffset, DefaultStartFromOffset)
	add("startFromId", p.StartFromID, 0)
	return set
}

func writePreferences(s sink, p Preferences) {
	set := p.set()
	if len(set) == 0 {
		return
	}
	s.begin("preferences")
	for _, p := range set {
		s.integer(p.name, p.value)
	}
	s.end("preferences")
}

func encodeRequestXML(req *Request) []byte {
	s := &xmlSink{b: []byte(xmlDeclaration)}
	s.begin(requestElement)
	writePreferences(s, req.Preferences)
	if len(req.Criteria) > 0 {
		s.begin("filters")
		for _, c := range req.Criteria {
			s.criterion(c)
		}
		s.end("filters")
	}
	if req.Data != nil {
		s.nodes([]*Node{req.Data})
	}
	s.end(requestElement)
	return append(s.b, '\n')
}

func (s *xmlSink) criterion(c Criterion) {
	s.begin(criteriaElement)
	s.b = append(s.b[:len(s.b)-1], ` field="`...)
	s.b = appendXMLAttribute(s.b, c.Field)
	s.b = append(s.b, `" operator="`...)
	s.b = appendXMLAttribute(s.b, string(c.Operator))
	s.b = append(s.b, '"', '>')
	s.b = appendXMLText(s.b, c.Value)
	s.depth--
	s.open = false
	s.finish(s.room(len(criteriaElement)+len("</>")), 0, criteriaElement)
}

func encodeRequestJSON(req *Request) []byte {
	s := &jsonSink{b: []byte{'{'}}
	s.begin(requestElement)
	writePreferences(s, req.Preferences)
	if len(req.Criteria) > 0 {
		s.begin("filters")
		s.array(criteriaElement)
		for _, c := range req.Criteria {
			s.element()
			s.text("field", c.Field)
			s.text("operator", string(c.Operator))
			s.text("value", c.Value)
			s.end("")
		}
		s.endArray()
		s.end("filters")
	}
	if req.Data != nil {
		s.nodes([]*Node{req.Data})
	}
	s.end(requestElement)
	return append(s.b, '}')
}
