/*
 * The cross entropy of one row as safetensors, both ways, in C, with libcurl to send and cJSON to
 * read the header of what comes back:
 *
 *   cc -o safetensors safetensors.c -lcurl -lcjson && ./safetensors
 *
 * The bytes of a tensor are little-endian: on a machine that is not, swap them.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define MEDIA "application/x-safetensors"
#define HEADER                                                                                     \
	"{\"targets\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"                   \
	"\"logits\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[8,20]}}"

struct bytes {
	char *data;
	size_t size;
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
	(void)one; /* always 1 */
	return append(user, piece, n) ? n : 0;
}

/* Eight bytes of length, the header, then the tensors at the places that it gives. Targets first:
 * then the server evaluates rows as they arrive. */
static int write_problem(struct bytes *body)
{
	const uint64_t length = sizeof(HEADER) - 1;
	const int64_t targets[] = {0};
	const float logits[] = {-0.7715F, -0.6205F, -0.2562F};

	return append(body, &length, sizeof(length)) && append(body, HEADER, sizeof(HEADER) - 1) &&
	       append(body, targets, sizeof(targets)) && append(body, logits, sizeof(logits));
}

/* Returns the HTTP status, or 0 when there was no reply (and says why). */
static long post(CURL *curl, const char *url, const struct bytes *body, struct bytes *reply)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: " MEDIA);
	long status = 0;

	headers = curl_slist_append(headers, "Accept: " MEDIA);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		fprintf(stderr, "%s: %s\n", url, curl_easy_strerror(code));
	curl_slist_free_all(headers);
	return status;
}

/* Prints an F32 tensor of the file; 0 where it is not in it. */
static int print_tensor(const cJSON *header, const char *name, const struct bytes *data)
{
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(header, name);
	const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
	double from = cJSON_GetNumberValue(cJSON_GetArrayItem(offsets, 0));
	double to = cJSON_GetNumberValue(cJSON_GetArrayItem(offsets, 1));

	if (!(from >= 0 && from <= to && to <= (double)data->size)) /* NaN where there is none */
		return 0;
	printf("%s", name);
	for (size_t at = (size_t)from; at + sizeof(float) <= (size_t)to; at += sizeof(float)) {
		float value;
		memcpy(&value, data->data + at, sizeof(value)); /* it need not be aligned */
		printf(" %.8g", (double)value);
	}
	printf("\n");
	return 1;
}

static int print_result(const struct bytes *reply)
{
	uint64_t length = 0;

	if (reply->size < sizeof(length))
		return 0;
	memcpy(&length, reply->data, sizeof(length));
	if (length > reply->size - sizeof(length))
		return 0;
	cJSON *header = cJSON_ParseWithLength(reply->data + sizeof(length), (size_t)length);
	const size_t start = sizeof(length) + (size_t)length;
	const struct bytes data = {reply->data + start, reply->size - start};
	int good = print_tensor(header, "loss", &data) && print_tensor(header, "grad", &data);
	cJSON_Delete(header);
	return good;
}

int main(void)
{
	const char *base = getenv("LOSSD_URL");
	struct bytes body = {NULL, 0}, reply = {NULL, 0};
	char url[512];

	snprintf(url, sizeof(url), "%s/v1/losses/cross_entropy?outputs=loss,grad",
		 base ? base : "http://127.0.0.1:8080");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	CURL *curl = curl_easy_init();
	if (!curl || !write_problem(&body))
		return 1;
	long status = post(curl, url, &body, &reply);
	int good = status == 200 && print_result(&reply);
	if (!good && status)
		fprintf(stderr, "HTTP %ld: %.*s\n", status, (int)reply.size,
			reply.data ? reply.data : "");

	free(body.data);
	free(reply.data);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return good ? 0 : 1;
}
