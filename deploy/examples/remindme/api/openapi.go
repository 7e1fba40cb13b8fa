package api

import (
	"html/template"
	"net/http"

	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

// The part of OpenAPI 3.1 that the description needs.
type (
	document struct {
		OpenAPI    string              `json:"openapi"`
		Info       info                `json:"info"`
		Paths      map[string]pathItem `json:"paths"`
		Components components          `json:"components"`
	}
	info struct {
		Title   string `json:"title"`
		Version string `json:"version"`
	}
	pathItem  map[string]operation // by method
	operation struct {
		Summary     string              `json:"summary"`
		OperationID string              `json:"operationId"`
		Parameters  []parameter         `json:"parameters,omitempty"`
		RequestBody *body               `json:"requestBody,omitempty"`
		Responses   map[string]response `json:"responses"`
	}
	parameter struct {
		Name     string `json:"name"`
		In       string `json:"in"`
		Required bool   `json:"required,omitempty"`
		Schema   schema `json:"schema"`
	}
	body struct {
		Required bool             `json:"required,omitempty"`
		Content  map[string]media `json:"content"`
	}
	response struct {
		Description string           `json:"description"`
		Content     map[string]media `json:"content,omitempty"`
	}
	media struct {
		Schema schema `json:"schema"`
	}
	schema     map[string]any
	components struct {
		Schemas map[string]schema `json:"schemas"`
	}
)

func jsonOf(name string) map[string]media {
	return map[string]media{"application/json": {Schema: schema{"$ref": "#/components/schemas/" + name}}}
}

// describe returns the OpenAPI document of one version.
func describe(v Version) document {
	unavailable := response{Description: "The queue is full or does not answer", Content: jsonOf("Error")}
	bad := response{Description: "The request is wrong", Content: jsonOf("Error")}
	doc := document{
		OpenAPI: "3.1.0",
		Info:    info{Title: "Remind Me", Version: string(v)},
		Paths: map[string]pathItem{"/reminders": {
			"post": {
				Summary: "Create a reminder", OperationID: "createReminder",
				RequestBody: &body{Required: true, Content: jsonOf("NewReminder")},
				Responses: map[string]response{
					"201": {Description: "It is stored", Content: jsonOf("Reminder")}, "400": bad, "503": unavailable},
			},
			"get": {
				Summary: "List the reminders that wait", OperationID: "listReminders",
				Parameters: []parameter{
					{Name: "limit", In: "query", Schema: schema{"type": "integer", "minimum": 1, "maximum": maxLimit, "default": defaultLimit}},
					{Name: "continue", In: "query", Schema: schema{"type": "string"}}},
				Responses: map[string]response{
					"200": {Description: "A page of them", Content: jsonOf("ReminderList")}, "400": bad, "503": unavailable},
			},
		}},
		Components: components{Schemas: schemas()},
	}
	if v == V2 {
		doc.Paths["/reminders/{id}"] = pathItem{"delete": {
			Summary: "Delete a reminder that waits", OperationID: "deleteReminder",
			Parameters: []parameter{{Name: "id", In: "path", Required: true, Schema: schema{"type": "string"}}},
			Responses: map[string]response{
				"204": {Description: "It is gone"},
				"404": {Description: "No such reminder waits", Content: jsonOf("Error")}, "503": unavailable},
		}}
	}
	return doc
}

func schemas() map[string]schema {
	text := schema{"type": "string", "minLength": 1, "maxLength": reminder.MaxText}
	moment := schema{"type": "string", "format": "date-time"}
	str := schema{"type": "string"}
	return map[string]schema{
		"NewReminder": {"type": "object", "required": []string{"text"}, "additionalProperties": false,
			"properties": map[string]schema{"text": text, "due": moment}},
		"Reminder": {"type": "object", "required": []string{"id", "text", "due", "created"},
			"properties": map[string]schema{"id": str, "text": text, "due": moment, "created": moment,
				"state": {"type": "string", "enum": []string{"pending", "due"}}}},
		"ReminderList": {"type": "object", "required": []string{"reminders"},
			"properties": map[string]schema{"continue": str,
				"reminders": {"type": "array", "items": schema{"$ref": "#/components/schemas/Reminder"}}}},
		"Error": {"type": "object", "required": []string{"error"}, "properties": map[string]schema{"error": str}},
	}
}

func page(w http.ResponseWriter, doc document) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = template.Must(template.New("page").Parse(pageText)).Execute(w, doc)
}

const pageText = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{.Info.Title}} API {{.Info.Version}}</title>
<h1>{{.Info.Title}} API {{.Info.Version}}</h1>
<table>{{range $path, $item := .Paths}}{{range $method, $op := $item}}
<tr><td><code>{{$method}}</code><td><code>{{$path}}</code><td>{{$op.Summary}}{{end}}{{end}}
</table>
<p><a href="/openapi.json">openapi.json</a></p>
</html>
`
