#include "head.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "codec/text/decimal.h"
#include "status/status.h"

#define MAX_TIMEOUT_MS 3600000u
#define MAX_TIMEOUT_CHARS 9 /* so many zeros before it */
#define LIST_SIZE 256       /* of names of media types, in messages */
#define MAX_TRACESTATE 512  /* what a vendor-neutral hop has to pass on at least */

/* ---------------------------------------------------------------- collecting */

enum repeat {
	REPEAT_FAILS, /* the value is one thing: two of them contradict each other */
	REPEAT_JOINS, /* a list that may be cut into several headers (RFC 9110, section 5.3) */
	REPEAT_VOIDS, /* a courtesy: doubled, it is as good as absent */
};

static const struct field {
	struct header_name name;
	size_t offset;
	enum repeat repeat;
} fields[] = {
	{HEADER_NAME("Content-Type"), offsetof(struct head, content_type), REPEAT_FAILS},
	{HEADER_NAME("Content-Encoding"), offsetof(struct head, content_encoding), REPEAT_JOINS},
	{HEADER_NAME("Accept"), offsetof(struct head, accept), REPEAT_JOINS},
	{HEADER_NAME("Accept-Encoding"), offsetof(struct head, accept_encoding), REPEAT_JOINS},
	{HEADER_NAME("Inference-Header-Content-Length"), offsetof(struct head, header_length),
	 REPEAT_FAILS},
	{HEADER_NAME("Host"), offsetof(struct head, host), REPEAT_FAILS},
	{HEADER_NAME("Origin"), offsetof(struct head, origin), REPEAT_FAILS},
	{HEADER_NAME("Authorization"), offsetof(struct head, authorization), REPEAT_VOIDS},
	{HEADER_NAME("X-Request-Timeout-Ms"), offsetof(struct head, timeout), REPEAT_FAILS},
	{HEADER_NAME("X-Request-Id"), offsetof(struct head, request_id), REPEAT_VOIDS},
	{HEADER_NAME("traceparent"), offsetof(struct head, traceparent), REPEAT_VOIDS},
	{HEADER_NAME("tracestate"), offsetof(struct head, tracestate), REPEAT_JOINS},
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static const char **slot(struct head *head, const struct field *field)
{
	return (const char **)(void *)((char *)head + field->offset);
}

/* Bytes of a value without the white space after it, which libmicrohttpd leaves. */
static size_t trimmed(const char *value)
{
	size_t n = strlen(value);
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	return n;
}

/* Without the white space after it; NULL when there is no memory. */
static const char *trim_end(const char *value, struct loss_arena *arena)
{
	size_t n = trimmed(value);
	return value[n] == '\0' ? value : loss_arena_printf(arena, "%.*s", (int)n, value);
}

/* `again`: bits of the lists that stand in the head more than once, of which only the first is
 * taken here. */
static loss_status take(struct head *head, const struct header *header, unsigned *again,
			struct loss_arena *arena, struct loss_error *err)
{
	size_t k = 0, n = strlen(header->name);
	while (k < N_FIELDS && !header_is(header->name, n, &fields[k].name))
		k++;
	if (k == N_FIELDS)
		return LOSS_OK;
	const char **text = slot(head, &fields[k]);
	const char *value = trim_end(header->value, arena);
	if (!value)
		return loss_arena_failure(arena, err);
	if (!*text)
		*text = value;
	else if (fields[k].repeat == REPEAT_FAILS)
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "the request has %s twice; send it once", fields[k].name.text);
	else if (fields[k].repeat == REPEAT_VOIDS)
		*text = "";
	else
		*again |= 1u << k;
	return LOSS_OK;
}

/* All headers of that name as one list, each byte copied once; NULL when there is no memory. */
static const char *join(const char *name, const struct header *headers, size_t n,
			struct loss_arena *arena)
{
	static const char comma[] = ", ";
	const char *before = "";
	size_t size = 0;
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			size += strlen(headers[i].value) + strlen(comma);
	char *list = loss_arena_array(arena, char, size + 1), *end = list;
	for (size_t i = 0; i < n && list; i++) {
		if (strcasecmp(headers[i].name, name) != 0)
			continue;
		end = stpcpy(end, before);
		size_t n_value = trimmed(headers[i].value);
		end = stpncpy(end, headers[i].value, n_value);
		before = comma;
	}
	if (list)
		*end = '\0';
	return list;
}

static loss_status collect(struct head *head, const struct header *headers, size_t n,
			   struct loss_arena *arena, struct loss_error *err)
{
	loss_status status = LOSS_OK;
	unsigned again = 0;
	/* After an error too: what takes precedence over it may depend on any of them. */
	for (size_t i = 0; i < n; i++) {
		bool good = status == LOSS_OK;
		loss_status taken = take(head, &headers[i], &again, arena, good ? err : NULL);
		status = good ? taken : status;
	}
	for (size_t k = 0; again >> k; k++) {
		const char **text = slot(head, &fields[k]);
		if (again >> k & 1 && !(*text = join(fields[k].name.text, headers, n, arena)))
			return loss_arena_failure(arena, err);
	}
	return status;
}

/* ---------------------------------------------------------------- ids */

static bool is_printable(const char *text, size_t max)
{
	size_t n = 0;
	for (; text[n] != '\0'; n++)
		if (n == max || text[n] < 0x20 || text[n] > 0x7e)
			return false;
	return n > 0;
}

/* n lower-case hexadecimal digits, not all of them 0 unless `zero` may be. */
static bool is_hex(const char *text, size_t n, bool zero)
{
	bool seen = false;
	for (size_t i = 0; i < n; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
		seen = seen || text[i] != '0';
	}
	return seen || zero;
}

/*
 * W3C Trace Context, section 3.2: version-trace id-parent id-flags. Version ff is forbidden,
 * version 00 ends there, later versions may go on after a dash.
 */
static bool is_traceparent(const char *text)
{
	size_t n = strnlen(text, HEAD_MAX_ID + 1);
	if (n < 55 || n > HEAD_MAX_ID)
		return false;
	if (!is_hex(text, 2, true) || strncmp(text, "ff", 2) == 0 || text[2] != '-')
		return false;
	if (!is_hex(text + 3, 32, false) || text[35] != '-' || !is_hex(text + 36, 16, false))
		return false;
	if (text[52] != '-' || !is_hex(text + 53, 2, true) || !is_printable(text, HEAD_MAX_ID))
		return false;
	return n == 55 || (strncmp(text, "00", 2) != 0 && text[55] == '-');
}

loss_status head_read(struct head *head, const struct header *headers, size_t n,
		      struct loss_arena *arena, struct loss_error *err)
{
	loss_status status = collect(head, headers, n, arena, err);
	for (size_t k = 0; k < N_FIELDS; k++) {
		const char **text = slot(head, &fields[k]);
		if (*text && **text == '\0' && text != &head->timeout &&
		    text != &head->header_length && text != &head->authorization)
			*text = NULL;
	}
	if (head->request_id && !is_printable(head->request_id, HEAD_MAX_ID))
		head->request_id = NULL;
	if (head->traceparent && !is_traceparent(head->traceparent))
		head->traceparent = NULL;
	if (head->tracestate &&
	    (!head->traceparent || !is_printable(head->tracestate, MAX_TRACESTATE)))
		head->tracestate = NULL;
	return status;
}

void head_take_authority(struct head *head, const char *authority)
{
	head->host_of_target = authority;
	if (authority)
		head->host = authority;
}

/* ---------------------------------------------------------------- media types */

/* A piece of a header value, not terminated. */
struct span {
	const char *text;
	size_t n;
};

static struct span trim(struct span s)
{
	while (s.n > 0 && (s.text[0] == ' ' || s.text[0] == '\t'))
		s.text++, s.n--;
	while (s.n > 0 && (s.text[s.n - 1] == ' ' || s.text[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Cuts the next part off *rest at a separator outside of quotes. */
static struct span cut(struct span *rest, char separator)
{
	bool quoted = false;
	size_t i = 0;
	for (; i < rest->n && (quoted || rest->text[i] != separator); i++) {
		if (rest->text[i] == '"')
			quoted = !quoted;
		else if (quoted && rest->text[i] == '\\' && i + 1 < rest->n)
			i++;
	}
	struct span part = {rest->text, i};
	size_t used = i < rest->n ? i + 1 : i;
	rest->text += used;
	rest->n -= used;
	return trim(part);
}

static bool equals(struct span s, const char *text)
{
	return strlen(text) == s.n && strncasecmp(s.text, text, s.n) == 0;
}

/* Cuts the next `name=value` off *parameters; quotes around the value do not belong to it. */
static struct span cut_parameter(struct span *parameters, struct span *value)
{
	struct span part = cut(parameters, ';');
	*value = part;
	struct span name = cut(value, '=');
	*value = trim(*value);
	if (value->n >= 2 && value->text[0] == '"' && value->text[value->n - 1] == '"')
		*value = (struct span){value->text + 1, value->n - 2};
	return name;
}

/* "a, b or c" */
static void list_names(const char *const *names, size_t n, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
					 i == 0       ? ""
					 : i + 1 == n ? " or "
						      : ", ",
					 names[i]);
}

static loss_status check_charset(const char *content_type, struct span parameters,
				 struct loss_error *err)
{
	while (parameters.n > 0) {
		struct span value;
		struct span name = cut_parameter(&parameters, &value);
		if (equals(name, "charset") && !equals(value, "utf-8"))
			return loss_fail(err, STATUS_UNSUPPORTED_MEDIA_TYPE, NULL,
					 "Content-Type is \"%.80s\"; the only charset is utf-8",
					 content_type);
	}
	return LOSS_OK;
}

bool head_names_type(const struct head *head, const char *name)
{
	if (!head->content_type)
		return false;
	struct span rest = {head->content_type, strlen(head->content_type)};
	return equals(cut(&rest, ';'), name);
}

loss_status head_media_type(const struct head *head, const char *const *names, size_t n,
			    size_t *index, struct loss_error *err)
{
	*index = 0;
	if (!head->content_type)
		return LOSS_OK;

	struct span rest = {head->content_type, strlen(head->content_type)};
	struct span type = cut(&rest, ';');
	for (size_t i = 0; i < n; i++)
		if (equals(type, names[i])) {
			*index = i;
			return check_charset(head->content_type, rest, err);
		}
	if (equals(type, "application/x-www-form-urlencoded"))
		return loss_fail(
			err, STATUS_UNSUPPORTED_MEDIA_TYPE, NULL,
			"Content-Type is \"%.60s\", which is what curl sends for -d alone; add "
			"-H 'Content-Type: %s' (or use curl --json), or of safetensors "
			"-H 'Content-Type: application/x-safetensors'",
			head->content_type, names[0]);
	char list[LIST_SIZE];
	list_names(names, n, list, sizeof list);
	return loss_fail(err, STATUS_UNSUPPORTED_MEDIA_TYPE, NULL,
			 "Content-Type is \"%.80s\"; this path reads %s", head->content_type, list);
}

/* Nothing between two commas is as good as identity; N_CODINGS: not known. */
static enum content_coding coding_of(struct span name)
{
	for (size_t i = 0; i < N_CODING_NAMES; i++)
		if (equals(name, content_coding_names[i].name))
			return content_coding_names[i].coding;
	return name.n == 0 ? CODING_IDENTITY : N_CODINGS;
}

loss_status head_encoding(const struct head *head, enum content_coding *coding,
			  struct loss_error *err)
{
	*coding = CODING_IDENTITY;
	const char *text = head->content_encoding ? head->content_encoding : "";
	struct span rest = {text, strlen(text)};
	while (rest.n > 0) {
		struct span name = cut(&rest, ',');
		enum content_coding found = coding_of(name);
		bool another = *coding != CODING_IDENTITY && found != CODING_IDENTITY;
		if (found == N_CODINGS || another)
			return loss_fail(err, STATUS_UNSUPPORTED_ENCODING, NULL,
					 "Content-Encoding is \"%.80s\"; this server decodes one "
					 "of " CONTENT_CODINGS "; or send the body as it is",
					 text);
		*coding = found != CODING_IDENTITY ? found : *coding;
	}
	return LOSS_OK;
}

/* ---------------------------------------------------------------- Accept */

/* How closely a media range names a type (whose parameters do not matter): 0 not at all, 1 as
 * anything, 2 by the part before the slash, 3 wholly. */
static int specificity(struct span range, const char *type)
{
	size_t major = strcspn(type, "/") + 1;
	size_t whole = strcspn(type, ";");
	if (range.n == whole && strncasecmp(range.text, type, whole) == 0)
		return 3;
	if (range.n == major + 1 && range.text[major] == '*' &&
	    strncasecmp(range.text, type, major) == 0)
		return 2;
	return equals(range, "*/*") || equals(range, "*") ? 1 : 0;
}

#define MOST_WEIGHT 1000

/* A weight in thousandths (RFC 9110, section 12.4.2). What is no weight counts as wanted. */
static int weight_of(struct span value)
{
	int weight = 0, unit = MOST_WEIGHT;
	for (size_t i = 0; i < value.n; i++) {
		char c = value.text[i];
		if (c == '.' && unit == MOST_WEIGHT) {
			unit /= 10;
			continue;
		}
		if (c < '0' || c > '9' || (unit == MOST_WEIGHT && i > 0))
			return MOST_WEIGHT;
		weight += (c - '0') * unit;
		if (unit < MOST_WEIGHT)
			unit /= 10;
	}
	return value.n > 0 && weight < MOST_WEIGHT ? weight : MOST_WEIGHT;
}

static int range_weight(struct span parameters)
{
	while (parameters.n > 0) {
		struct span value;
		struct span name = cut_parameter(&parameters, &value);
		if (equals(name, "q"))
			return weight_of(value);
	}
	return MOST_WEIGHT;
}

/* The most specific range decides on a type (RFC 9110, section 12.5.1); of two alike, the kinder
 * one. */
static int type_weight(const char *accept, const char *type, int *closeness)
{
	int weight = 0;
	struct span rest = {accept, strlen(accept)};
	*closeness = 0;
	while (rest.n > 0) {
		struct span element = cut(&rest, ',');
		struct span range = cut(&element, ';');
		int close = specificity(range, type);
		int its = range_weight(element);
		if (close == 0 || close < *closeness || (close == *closeness && its < weight))
			continue;
		*closeness = close;
		weight = its;
	}
	return weight;
}

loss_status head_accept(const struct head *head, const char *const *types, size_t n, size_t *index,
			struct loss_error *err)
{
	int best = 0, best_closeness = 0;
	*index = 0;
	if (!head->accept)
		return LOSS_OK;

	for (size_t i = 0; i < n; i++) {
		int closeness;
		int weight = type_weight(head->accept, types[i], &closeness);
		if (weight < best || (weight == best && closeness <= best_closeness))
			continue;
		best = weight;
		best_closeness = closeness;
		*index = i;
	}
	if (best > 0)
		return LOSS_OK;
	char list[LIST_SIZE];
	list_names(types, n, list, sizeof list);
	return loss_fail(err, STATUS_NOT_ACCEPTABLE, NULL,
			 "Accept is \"%.80s\", but this path replies with %s", head->accept, list);
}

/* ---------------------------------------------------------------- Accept-Encoding */

/* Of two names of one coding, the one that is there. */
static int coding_weight(const char *accept, enum content_coding coding, int *closeness)
{
	int weight = 0;
	*closeness = -1;
	for (size_t i = 0; i < N_CODING_NAMES; i++) {
		int close, its;
		if (content_coding_names[i].coding != coding)
			continue;
		its = type_weight(accept, content_coding_names[i].name, &close);
		weight = close > *closeness ? its : weight;
		*closeness = close > *closeness ? close : *closeness;
	}
	return weight;
}

struct reply_coding head_reply_coding(const struct head *head)
{
	/* Of equal weights the last one. */
	static const enum content_coding codings[] = {CODING_GZIP, CODING_ZSTD};
	struct reply_coding best = {CODING_IDENTITY, false};
	int closeness;
	if (!head->accept_encoding)
		return best;
	int most = coding_weight(head->accept_encoding, CODING_IDENTITY, &closeness);
	bool refused = most == 0 && closeness > 0;
	for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
		int weight = coding_weight(head->accept_encoding, codings[i], &closeness);
		if (weight == 0 || weight < most)
			continue;
		most = weight;
		best = (struct reply_coding){codings[i], refused};
	}
	return best;
}

/* ---------------------------------------------------------------- the caller's deadline */

loss_status head_timeout(const struct head *head, uint64_t *ms, struct loss_error *err)
{
	*ms = 0;
	if (!head->timeout)
		return LOSS_OK;
	size_t n = strlen(head->timeout);
	if (n <= MAX_TIMEOUT_CHARS && decimal_parse(head->timeout, n, ms) && *ms >= 1 &&
	    *ms <= MAX_TIMEOUT_MS)
		return LOSS_OK;
	*ms = 0;
	return loss_fail(
		err, STATUS_INVALID_HEADER, NULL,
		"X-Request-Timeout-Ms is \"%.40s\"; it must be a whole number from 1 to %u",
		head->timeout, MAX_TIMEOUT_MS);
}
