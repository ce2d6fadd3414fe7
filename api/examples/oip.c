/*
 * The cross entropy of one row over the Open Inference Protocol with binary tensors, in C, with
 * libcurl to send and cJSON to read the document that comes back:
 *
 *   cc -o oip oip.c -lcurl -lcjson && ./oip
 *
 * The bytes of a tensor are little-endian: on a machine that is not, swap them.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

#define LENGTH "Inference-Header-Content-Length:"
#define DOCUMENT                                                                                   \
	"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,3],\"datatype\":\"FP32\","                 \
	"\"parameters\":{\"binary_data_size\":12}},"                                               \
	"{\"name\":\"targets\",\"shape\":[1],\"datatype\":\"INT64\","                              \
	"\"parameters\":{\"binary_data_size\":8}}],"                                               \
	"\"outputs\":[{\"name\":\"loss\"},{\"name\":\"grad\"}],"                                   \
	"\"parameters\":{\"binary_data_output\":true}}"

struct bytes {
	char *data;
	size_t size;
};

struct reply {
	struct bytes body;
	size_t document; /* its size; after it are the tensors */
};

static int append(struct bytes *to, const void *data, size_t n)
{
	char *grown = realloc(to->data, to->size + n);

	if (!grown)
		return 0;
	memcpy(grown + to->size, data, n);
	to->data = grown;
	to->size += n;
	return 1;
}

/* libcurl hands over the reply in pieces; anything but n from here stops the transfer. */
static size_t receive(char *piece, size_t one, size_t n, void *user)
{
	struct reply *reply = user;

	(void)one; /* always 1 */
	return append(&reply->body, piece, n) ? n : 0;
}

/* And a header at a time, which is not terminated, but ends with CR and LF. */
static size_t receive_header(char *line, size_t one, size_t n, void *user)
{
	struct reply *reply = user;
	const size_t name = sizeof(LENGTH) - 1;

	(void)one;
	if (n > name + 1 && strncasecmp(line, LENGTH, name) == 0)
		reply->document = (size_t)strtoull(line + name, NULL, 10);
	return n;
}

/* The document, then the tensors in its order. */
static int write_problem(struct bytes *body)
{
	const float logits[] = {-0.7715F, -0.6205F, -0.2562F};
	const int64_t targets[] = {0};

	return append(body, DOCUMENT, sizeof(DOCUMENT) - 1) &&
	       append(body, logits, sizeof(logits)) && append(body, targets, sizeof(targets));
}

/* Returns the HTTP status, or 0 when there was no reply (and says why). */
static long post(CURL *curl, const char *url, const struct bytes *body, struct reply *reply)
{
	char length[80];
	long status = 0;

	snprintf(length, sizeof(length), LENGTH " %zu", sizeof(DOCUMENT) - 1);
	struct curl_slist *headers = curl_slist_append(NULL, length);
	headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, receive_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		fprintf(stderr, "%s: %s\n", url, curl_easy_strerror(code));
	curl_slist_free_all(headers);
	return status;
}

/* Prints an output of F32 numbers, whose bytes begin at *at, and moves after it; 0 where they are
 * not there. */
static int print_output(const cJSON *output, const struct bytes *body, size_t *at)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(output, "name");
	const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(output, "parameters");
	double size = cJSON_GetNumberValue(
		cJSON_GetObjectItemCaseSensitive(parameters, "binary_data_size"));

	if (!(size >= 0 && size <= (double)(body->size - *at))) /* NaN where there is none */
		return 0;
	printf("%s", cJSON_GetStringValue(name));
	for (size_t end = *at + (size_t)size; *at + sizeof(float) <= end; *at += sizeof(float)) {
		float value;
		memcpy(&value, body->data + *at, sizeof(value)); /* it need not be aligned */
		printf(" %.8g", (double)value);
	}
	printf("\n");
	return 1;
}

static int print_result(const struct reply *reply)
{
	size_t at = reply->document;

	if (at == 0 || at > reply->body.size)
		return 0;
	cJSON *document = cJSON_ParseWithLength(reply->body.data, at);
	const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(document, "outputs");
	int good = cJSON_GetArraySize(outputs) == 2;
	for (int i = 0; good && i < 2; i++)
		good = print_output(cJSON_GetArrayItem(outputs, i), &reply->body, &at);
	cJSON_Delete(document);
	return good;
}

int main(void)
{
	const char *base = getenv("LOSSD_URL");
	struct bytes body = {NULL, 0};
	struct reply reply = {{NULL, 0}, 0};
	char url[512];

	snprintf(url, sizeof(url), "%s/v2/models/cross_entropy/infer",
		 base ? base : "http://127.0.0.1:8080");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	CURL *curl = curl_easy_init();
	if (!curl || !write_problem(&body))
		return 1;
	long status = post(curl, url, &body, &reply);
	int good = status == 200 && print_result(&reply);
	if (!good && status)
		fprintf(stderr, "HTTP %ld: %.*s\n", status, (int)reply.body.size,
			reply.body.data ? reply.body.data : "");

	free(body.data);
	free(reply.body.data);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return good ? 0 : 1;
}
