// Command probe is what tests have run in pods: it answers every request with what it got and who it is, and looks at
// the cluster from where it is when asked to, below /probe.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const patience = 20 * time.Second

type request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

type response struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Error  string `json:"error,omitempty"`
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", echo)
	http.HandleFunc("POST /probe/fetch", fetch)
	http.HandleFunc("GET /probe/resolve", resolve)
	http.HandleFunc("POST /probe/file", write)
	log.Print("listening at ", port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}

// echo tells which pod was asked, and what.
func echo(writer http.ResponseWriter, asked *http.Request) {
	pod, _ := os.Hostname()
	body, _ := io.ReadAll(asked.Body)
	answer(writer, map[string]any{
		"pod": pod, "method": asked.Method, "path": asked.URL.Path, "headers": asked.Header, "body": string(body),
	})
}

// fetch makes the request that its body describes, and tells what came of it.
func fetch(writer http.ResponseWriter, asked *http.Request) {
	var wanted request
	if err := json.NewDecoder(asked.Body).Decode(&wanted); err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	answer(writer, perform(wanted))
}

func perform(wanted request) response {
	outgoing, err := http.NewRequest(wanted.Method, wanted.URL, bytes.NewBufferString(wanted.Body))
	if err != nil {
		return response{Error: err.Error()}
	}
	for name, value := range wanted.Headers {
		outgoing.Header.Set(name, value)
	}
	client := http.Client{Timeout: patience}
	got, err := client.Do(outgoing)
	if err != nil {
		return response{Error: err.Error()}
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return response{Status: got.StatusCode, Error: err.Error()}
	}
	return response{Status: got.StatusCode, Body: string(body)}
}

// resolve tells the addresses of ?name=.
func resolve(writer http.ResponseWriter, asked *http.Request) {
	addresses, err := net.LookupHost(asked.URL.Query().Get("name"))
	if err != nil {
		answer(writer, map[string]any{"error": err.Error()})
		return
	}
	answer(writer, map[string]any{"addresses": addresses})
}

// write puts the body into the file ?path=.
func write(writer http.ResponseWriter, asked *http.Request) {
	body, err := io.ReadAll(asked.Body)
	if err == nil {
		err = os.WriteFile(asked.URL.Query().Get("path"), body, 0o640)
	}
	if err != nil {
		answer(writer, map[string]any{"error": err.Error()})
		return
	}
	answer(writer, map[string]any{"written": len(body)})
}

func answer(writer http.ResponseWriter, content any) {
	writer.Header().Set("content-type", "application/json")
	if err := json.NewEncoder(writer).Encode(content); err != nil {
		log.Print(err)
	}
}
