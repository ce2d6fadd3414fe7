#include "collector_reply.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* 64 bits may be a string or a number (the JSON of protocol buffers). */
static uint64_t read_count(const cJSON *value)
{
	if (cJSON_IsString(value) && value->valuestring[0] != '-')
		return strtoull(value->valuestring, NULL, 10);
	if (cJSON_IsNumber(value) && value->valuedouble >= 1 && value->valuedouble < 1e15)
		return (uint64_t)value->valuedouble;
	return 0;
}

void collector_reply_read(const char *text, struct collector_reply *reply)
{
	cJSON *document = cJSON_Parse(text);
	const cJSON *partial = cJSON_GetObjectItemCaseSensitive(document, "partialSuccess");
	const cJSON *message = cJSON_GetObjectItemCaseSensitive(partial, "errorMessage");
	reply->rejected = read_count(cJSON_GetObjectItemCaseSensitive(partial, "rejectedSpans"));
	if (cJSON_IsString(message))
		snprintf(reply->why, sizeof reply->why, "%s", message->valuestring);
	cJSON_Delete(document);
}
