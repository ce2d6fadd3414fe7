#include "pages.h"

#include <stdio.h>
#include <string.h>

#include "codec/json/json_out.h"
#include "schema.h"
#include "status/status.h"

/* ---------------------------------------------------------------- discovery, JSON */

static void open_list(struct json_out *out, const char *key)
{
	json_out_key(out, key);
	json_out_open(out, '[');
}

static void put_limits(struct json_out *out, const struct config *config)
{
	json_out_key(out, "limits");
	json_out_open(out, '{');
	json_out_size_member(out, "max_body_bytes", config->max_body_bytes);
	json_out_size_member(out, "max_elements", config->max_elements);
	json_out_size_member(out, "max_rank", config->max_rank);
	json_out_close(out, '}');
}

static void put_tensor(struct json_out *out, const struct loss_info *loss, size_t i)
{
	const struct loss_tensor_info *tensor = &loss->tensors[i];
	char shape[LOSS_PHRASE_CHARS];
	loss_describe_tensor_shape(loss, i, shape, sizeof shape);
	json_out_open(out, '{');
	json_out_string_member(out, "name", tensor->name);
	json_out_key(out, "required");
	json_out_boolean(out, tensor->required);
	open_list(out, "dtypes");
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
		if (tensor->dtypes & LOSS_DTYPE_BIT(dtype))
			json_out_string(out, loss_dtype_info((loss_dtype)dtype)->name);
	json_out_close(out, ']');
	json_out_string_member(out, "shape", shape);
	json_out_string_member(out, "help", tensor->help);
	json_out_close(out, '}');
}

static void put_argument(struct json_out *out, const struct loss_info *loss, size_t i)
{
	const struct loss_argument_info *argument = loss->arguments[i];
	char range[LOSS_PHRASE_CHARS];
	static const char *const types[] = {
		[LOSS_ARGUMENT_BOOLEAN] = "boolean",
		[LOSS_ARGUMENT_INTEGER] = "integer",
		[LOSS_ARGUMENT_NUMBER] = "number",
		[LOSS_ARGUMENT_CHOICE] = "string",
	};
	json_out_open(out, '{');
	json_out_string_member(out, "name", argument->name);
	json_out_string_member(out, "type", types[argument->type]);
	if (argument->type == LOSS_ARGUMENT_CHOICE) {
		open_list(out, "choices");
		for (const char *const *choice = argument->choices; *choice; choice++)
			json_out_string(out, *choice);
		json_out_close(out, ']');
	}
	json_out_key(out, "default");
	json_out_raw(out, argument->default_json);
	loss_describe_argument_range(loss, i, range, sizeof range);
	if (*range)
		json_out_string_member(out, "range", range);
	json_out_string_member(out, "help", argument->help);
	json_out_close(out, '}');
}

/* What every evaluation takes and no loss has. */
static void put_reply_arguments(struct json_out *out)
{
	open_list(out, "reply_arguments");
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++) {
		const struct style_info *info = &style_arguments[i];
		json_out_open(out, '{');
		json_out_string_member(out, "name", info->name);
		json_out_string_member(out, "type", "string");
		open_list(out, "choices");
		for (const char *const *word = info->words; *word; word++)
			json_out_string(out, *word);
		json_out_close(out, ']');
		json_out_string_member(out, "default", info->words[0]);
		json_out_string_member(out, "help", info->help);
		json_out_close(out, '}');
	}
	json_out_close(out, ']');
}

static void put_output(struct json_out *out, const struct loss_info *loss, size_t i)
{
	const struct loss_output_info *output = loss->outputs[i];
	char dtype[LOSS_PHRASE_CHARS], shape[LOSS_PHRASE_CHARS];
	loss_describe_output_dtype(loss, i, dtype, sizeof dtype);
	loss_describe_output_shape(loss, i, shape, sizeof shape);
	json_out_open(out, '{');
	json_out_string_member(out, "name", output->name);
	json_out_string_member(out, "dtype", dtype);
	json_out_string_member(out, "shape", shape);
	json_out_string_member(out, "help", output->help);
	json_out_key(out, "default");
	json_out_boolean(out, i == 0);
	json_out_close(out, '}');
}

/* What both pages say of a loss; the object stays open. */
static void open_loss(struct json_out *out, const struct loss_info *loss)
{
	char url[128];
	snprintf(url, sizeof url, "/v1/losses/%s", loss->name);
	json_out_open(out, '{');
	json_out_string_member(out, "name", loss->name);
	json_out_string_member(out, "summary", loss->summary);
	json_out_string_member(out, "url", url);
	open_list(out, "tensors");
	for (size_t i = 0; i < loss->n_tensors; i++)
		put_tensor(out, loss, i);
	json_out_close(out, ']');
	open_list(out, "arguments");
	for (size_t i = 0; i < loss->n_arguments; i++)
		put_argument(out, loss, i);
	json_out_close(out, ']');
	open_list(out, "outputs");
	for (size_t i = 0; i < loss->n_outputs; i++)
		put_output(out, loss, i);
	json_out_close(out, ']');
	put_reply_arguments(out);
}

bool pages_losses(struct loss_buffer *buffer, const struct config *config)
{
	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	open_list(&out, "losses");
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)) != NULL; i++) {
		open_loss(&out, loss);
		json_out_close(&out, '}');
	}
	json_out_close(&out, ']');
	put_limits(&out, config);
	json_out_end(&out, '}');
	return !out.failed;
}

bool pages_loss(struct loss_buffer *buffer, const struct loss_info *loss,
		const struct config *config)
{
	struct json_out out;
	json_out_start(&out, buffer);
	open_loss(&out, loss);
	put_limits(&out, config);
	json_out_key(&out, "schema");
	json_out_open(&out, '{');
	json_out_key(&out, "request");
	schema_put_request(&out, loss);
	json_out_key(&out, "reply");
	schema_put_reply(&out, loss);
	json_out_close(&out, '}');
	json_out_end(&out, '}');
	return !out.failed;
}

/* ---------------------------------------------------------------- for people, HTML */

static const char style[] =
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<style>\n"
	"body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; "
	"padding: 0 1rem; color: #222; background: #fff }\n"
	"code, pre { font-family: ui-monospace, monospace; font-size: 14px }\n"
	"pre { padding: .75rem; overflow-x: auto; background: #f3f3f3 }\n"
	"td { padding: .15rem 1rem .15rem 0; vertical-align: top }\n"
	"</style>\n";

static bool put(struct loss_buffer *out, const char *html)
{
	return loss_buffer_append(out, html, strlen(html));
}

/* Text as the content of an element. */
static bool put_escaped(struct loss_buffer *out, const char *text)
{
	for (;;) {
		size_t n = strcspn(text, "&<>");
		if (!loss_buffer_append(out, text, n))
			return false;
		text += n;
		if (*text == '\0')
			return true;
		if (!put(out, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;"))
			return false;
		text++;
	}
}

static bool put_head(struct loss_buffer *out, const char *title)
{
	return put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			"<title>") &&
	       put_escaped(out, title) && put(out, "</title>\n") && put(out, style) &&
	       put(out, "</head>\n<body>\n");
}

bool pages_problem(struct loss_buffer *out, loss_status status)
{
	const struct loss_status_words *info = status_words(status);
	char line[128];
	snprintf(line, sizeof line, "</h1>\n<p><code>%s</code>, HTTP status %d</p>\n<p>",
		 info->code, status_http(status));
	return put_head(out, info->title) && put(out, "<h1>") && put_escaped(out, info->title) &&
	       put(out, line) && put_escaped(out, info->help) &&
	       put(out, "</p>\n<p><a href=\"/\">About this server</a></p>\n</body>\n</html>\n");
}

static const char index_start[] =
	"<h1>lossd " LOSS_VERSION "</h1>\n"
	"<p>Logits and targets in; the loss, its gradient and their relatives out. The losses mean "
	"what "
	"PyTorch's functions of the same names mean.</p>\n"
	"<pre>curl -s http://127.0.0.1:8080/v1/losses/cross_entropy \\\n"
	"  -H 'Content-Type: application/json' \\\n"
	"  -d '{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0], "
	"\"outputs\": [\"loss\", \"grad\"]}'</pre>\n"
	"<p>(Put this server's own address where it is another one.)</p>\n";

/* A browser does not send a key by itself: with one, the page opens its links, and shows what they
 * reply. It keeps the key nowhere. */
static const char index_key[] =
	"<p>This server asks for a key: add <code>-H 'Authorization: Bearer KEY'</code> to the "
	"command. For the links of this page, put it here: <input id=\"key\" type=\"password\" "
	"autocomplete=\"off\" size=\"50\" placeholder=\"lossd_...\"></p>\n"
	"<pre id=\"reply\" hidden></pre>\n"
	"<script>\n"
	"document.addEventListener('click', async event => {\n"
	"  const link = event.target.closest('a'), key = document.getElementById('key').value;\n"
	"  if (!link || !key) return;\n"
	"  event.preventDefault();\n"
	"  const reply = document.getElementById('reply');\n"
	"  reply.hidden = false;\n"
	"  try {\n"
	"    const got = await fetch(link.href, {headers: {Authorization: 'Bearer ' + key}});\n"
	"    reply.textContent = got.status + ' ' + link.href + '\\n' + await got.text();\n"
	"  } catch (error) { reply.textContent = error; }\n"
	"  reply.scrollIntoView();\n"
	"});\n"
	"</script>\n";

static const char index_end[] =
	"</table>\n"
	"<p><code>GET</code> tells a loss's tensors, arguments and outputs, <code>POST</code> to "
	"the same "
	"path evaluates it.</p>\n"
	"<h2>Paths</h2>\n<table>\n"
	"<tr><td><a href=\"/v1/losses\"><code>/v1/losses</code></a></td>"
	"<td>the losses and this server's limits, as JSON</td></tr>\n"
	"<tr><td><code>/v1/losses/{loss}</code></td><td>describe (GET), evaluate (POST)</td></tr>\n"
	"<tr><td><code>/v1/totals/merge</code></td><td>totals of parts become one "
	"(POST)</td></tr>\n"
	"<tr><td><a href=\"/openapi.yaml\"><code>/openapi.yaml</code></a>, "
	"<a href=\"/openapi.json\"><code>/openapi.json</code></a></td>"
	"<td>the whole contract, OpenAPI 3.1, to read and to generate clients from</td></tr>\n"
	"<tr><td><a href=\"/metrics\"><code>/metrics</code></a></td>"
	"<td>counters and times, for Prometheus</td></tr>\n"
	"<tr><td><a href=\"/v2/health/live\"><code>/v2/health/live</code></a>, "
	"<a href=\"/v2/health/ready\"><code>/v2/health/ready</code></a></td>"
	"<td>for whoever watches over the process</td></tr>\n"
	"<tr><td><a href=\"/v2\"><code>/v2</code></a></td><td>the Open Inference Protocol: name "
	"and "
	"extensions</td></tr>\n"
	"<tr><td><code>/v2/models/{loss}</code>, <code>/ready</code>, <code>/config</code>, "
	"<code>/stats</code></td><td>the losses as its models; <a "
	"href=\"/v2/models/stats\"><code>/v2/models/stats</code></a> has the statistics of "
	"all</td></tr>\n"
	"<tr><td><code>/v2/models/{loss}/infer</code></td><td>evaluate (POST), as its clients "
	"do</td></tr>\n"
	"<tr><td><code>/v2/systemsharedmemory/&hellip;</code></td><td>tensors in shared memory, "
	"where the server's settings allow them</td></tr>\n"
	"<tr><td><code>/problems/{code}</code></td><td>a paragraph on an error</td></tr>\n"
	"</table>\n</body>\n</html>\n";

static bool put_loss_row(struct loss_buffer *out, const struct loss_info *loss)
{
	char link[256];
	snprintf(link, sizeof link,
		 "<tr><td><a href=\"/v1/losses/%s\"><code>%s</code></a></td><td>", loss->name,
		 loss->name);
	return put(out, link) && put_escaped(out, loss->summary) && put(out, "</td></tr>\n");
}

bool pages_index(struct loss_buffer *out, bool keys)
{
	if (!put_head(out, "lossd") || !put(out, index_start) || (keys && !put(out, index_key)) ||
	    !put(out, "<h2>Losses</h2>\n<table>\n"))
		return false;
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)) != NULL; i++)
		if (!put_loss_row(out, loss))
			return false;
	return put(out, index_end);
}

/* ---------------------------------------------------------------- the contract */

static const unsigned char openapi_yaml[] = {
#include "openapi_yaml.h"
};
static const unsigned char openapi_json[] = {
#include "openapi_json.h"
};

const unsigned char *pages_openapi_yaml(size_t *size)
{
	*size = sizeof openapi_yaml;
	return openapi_yaml;
}

const unsigned char *pages_openapi_json(size_t *size)
{
	*size = sizeof openapi_json;
	return openapi_json;
}
