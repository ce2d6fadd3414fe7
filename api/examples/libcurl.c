/*
 * The cross entropy of one row in C, with libcurl to send and cJSON to read:
 *
 *   cc -o libcurl libcurl.c -lcurl -lcjson && ./libcurl
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

struct text {
	char *bytes;
	size_t size;
};

/* libcurl hands over the reply in pieces; anything but n from here stops the transfer. */
static size_t append(char *piece, size_t one, size_t n, void *user)
{
	struct text *text = user;
	char *grown = realloc(text->bytes, text->size + n + 1);

	(void)one; /* always 1 */
	if (!grown)
		return 0;
	memcpy(grown + text->size, piece, n);
	text->bytes = grown;
	text->size += n;
	text->bytes[text->size] = '\0';
	return n;
}

/* Posts JSON; returns the HTTP status, or 0 when there was no reply (and says why). */
static long post(CURL *curl, const char *url, const char *json, struct text *reply)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	long status = 0;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
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

/* Results are float32: nine digits tell any two of them apart. */
static void print_result(const cJSON *result)
{
	const cJSON *grad = cJSON_GetObjectItemCaseSensitive(result, "grad");
	const cJSON *g;

	printf("loss %.9g\n",
	       cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(result, "loss")));
	printf("grad");
	cJSON_ArrayForEach(g, cJSON_GetArrayItem(grad, 0))
	{
		printf(" %.9g", cJSON_GetNumberValue(g));
	}
	printf("\n");
}

int main(void)
{
	const char *base = getenv("LOSSD_URL");
	struct text reply = {NULL, 0};
	char url[512];

	snprintf(url, sizeof(url), "%s/v1/losses/cross_entropy",
		 base ? base : "http://127.0.0.1:8080");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	CURL *curl = curl_easy_init();
	if (!curl)
		return 1;
	long status = post(curl, url,
			   "{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0], "
			   "\"outputs\": [\"loss\", \"grad\"]}",
			   &reply);
	cJSON *result = status == 200 ? cJSON_Parse(reply.bytes) : NULL;
	if (result)
		print_result(result);
	else if (status)
		fprintf(stderr, "HTTP %ld: %s\n", status, reply.bytes ? reply.bytes : "");

	cJSON_Delete(result);
	free(reply.bytes);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return result ? 0 : 1;
}
