package admin_test

import (
	"slices"
	"testing"
)

// Everything in the document has a description, and every value an example: /docs is made of it.
func TestDocumentDescribesEverything(t *testing.T) {
	t.Parallel()
	doc := start(t).openapi()
	var resources []any
	for _, tag := range doc["tags"].([]any) {
		resources = append(resources, at(tag, "name"))
	}
	for _, op := range operations(doc) {
		if tags, _ := op.node["tags"].([]any); len(tags) != 1 || !slices.Contains(resources, tags[0]) {
			t.Errorf("%s %s has the tags %v: give it one, and describe that in resources", op.method, op.path, tags)
		}
		if op.node["summary"] == nil || op.node["description"] == nil || op.node["operationId"] == nil {
			t.Errorf("%s %s needs an OperationID, a Summary and a Description", op.method, op.path)
		}
		parameters, _ := op.node["parameters"].([]any)
		for _, p := range parameters {
			described(t, op.method+" "+op.path+" "+at(p, "name").(string), p.(node), at(p, "schema").(node))
		}
	}
	for name, schema := range at(doc, "components", "schemas").(node) {
		properties, _ := at(schema, "properties").(node)
		for field, property := range properties {
			described(t, name+"."+field, property.(node), property.(node))
		}
	}
}

// described checks a field or parameter. What is an object, or a list of them, has its examples in its fields.
func described(t *testing.T, where string, holder, schema node) {
	t.Helper()
	if schema["$ref"] != nil {
		return
	}
	if holder["description"] == nil {
		t.Errorf("%s has no description: give its Go field a doc tag", where)
	}
	_, isList := at(schema, "items", "$ref").(string)
	_, isObject := schema["properties"]
	if !isList && !isObject && holder["example"] == nil && schema["examples"] == nil && schema["enum"] == nil {
		t.Errorf("%s has no example: give its Go field an example tag", where)
	}
}

// Every example is one that the API would take.
func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	doc := start(t).openapi()
	check := func(where string, holder, schema node) {
		examples, _ := schema["examples"].([]any)
		if one, ok := holder["example"]; ok {
			examples = append(examples, one)
		}
		for _, example := range examples {
			for _, wrong := range violations(doc, schema, example) {
				t.Errorf("the example of %s%s", where, wrong)
			}
		}
	}
	for _, op := range operations(doc) {
		parameters, _ := op.node["parameters"].([]any)
		for _, p := range parameters {
			check(op.method+" "+op.path+" "+at(p, "name").(string), p.(node), at(p, "schema").(node))
		}
	}
	for name, schema := range at(doc, "components", "schemas").(node) {
		properties, _ := at(schema, "properties").(node)
		for field, property := range properties {
			check(name+"."+field, property.(node), property.(node))
		}
	}
}
