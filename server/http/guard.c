#include "guard.h"

#include <string.h>
#include <strings.h>

#include "status/status.h"

/*
 * Headers that framing depends on, and how often each stands in the head. They are what
 * libmicrohttpd itself acts on, besides Connection, of which only the list "close" or "keep-alive"
 * counts and to it alone, and Cookie, which it copies and nobody reads. It compares whole values,
 * also the white space after them, and takes the first of several: so what it does not know is
 * refused here.
 */
struct census {
	size_t hosts, lengths, codings, expectations;
	const char *host, *length, *coding, *expectation;
};

static bool is_alphanumeric(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110, section 5.6.2. */
static bool is_token(const char *text)
{
	const char *p = text;
	while (*p != '\0' && (is_alphanumeric((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p)))
		p++;
	return p != text && *p == '\0';
}

static bool has_control(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
			return true;
	return false;
}

/* Headers that a fault makes void, not the request: head.c leaves them out. */
static bool is_courtesy(const char *name)
{
	static const char *const names[] = {"X-Request-Id", "traceparent", "tracestate"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

/* RFC 9110, section 7.2: a host and perhaps a port; nothing that could be read as a path or as user
 * data. White space after it is nobody's: libmicrohttpd does not read it. */
static bool is_host(const char *text)
{
	const char *p = text;
	while (*p != '\0' &&
	       (is_alphanumeric((unsigned char)*p) || strchr("-._~!$&'()*+;=:[]%", *p)))
		p++;
	return p != text && p[strspn(p, " \t")] == '\0';
}

static void note(const struct header *header, const char *name, size_t *count, const char **value)
{
	if (strcasecmp(header->name, name) != 0)
		return;
	(*count)++;
	*value = header->value;
}

static loss_status take_census(const struct header *headers, size_t n, struct census *census,
			       struct loss_error *err)
{
	*census = (struct census){0};
	for (size_t i = 0; i < n; i++) {
		const struct header *h = &headers[i];
		if (!is_token(h->name))
			return loss_fail(err, STATUS_INVALID_HEADER, NULL,
					 "\"%.40s\" is not a header name: a name is a token, right "
					 "before the colon",
					 h->name);
		if (has_control(h->value) && !is_courtesy(h->name))
			return loss_fail(err, STATUS_INVALID_HEADER, NULL,
					 "the value of %.40s has a control character", h->name);
		note(h, "Host", &census->hosts, &census->host);
		note(h, "Content-Length", &census->lengths, &census->length);
		note(h, "Transfer-Encoding", &census->codings, &census->coding);
		note(h, "Expect", &census->expectations, &census->expectation);
	}
	return LOSS_OK;
}

static loss_status check_host(const struct census *census, bool old, struct loss_error *err)
{
	if (census->hosts == 0 && old)
		return LOSS_OK;
	if (census->hosts != 1)
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "the request has %zu Host headers; it must have one",
				 census->hosts);
	if (!is_host(census->host))
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "Host is \"%.60s\"; it must be a host name or address, and a port "
				 "where it is not the usual one",
				 census->host);
	return LOSS_OK;
}

static loss_status check_length(const struct census *census, struct framing *framing,
				struct loss_error *err)
{
	if (census->lengths == 0)
		return LOSS_OK;
	if (census->lengths > 1)
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "the request has %zu Content-Length headers; it may have one",
				 census->lengths);
	const char *p = census->length;
	uint64_t length = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');
		/* Saturates: a length past 2^64 is too large, whatever it is. */
		length = length > (UINT64_MAX - digit) / 10 ? UINT64_MAX : length * 10 + digit;
	}
	if (*p != '\0' || p == census->length)
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "Content-Length is \"%.40s\"; it must be decimal digits",
				 census->length);
	framing->has_length = true;
	framing->length = length;
	return LOSS_OK;
}

static loss_status check_coding(const struct census *census, bool old, struct framing *framing,
				struct loss_error *err)
{
	if (census->codings == 0)
		return LOSS_OK;
	if (census->lengths > 0)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"the request has both Content-Length and Transfer-Encoding; it may "
			"have one of them");
	if (old)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"Transfer-Encoding is not part of HTTP/1.0; send Content-Length, or "
			"HTTP/1.1");
	if (census->codings > 1 || strcasecmp(census->coding, "chunked") != 0)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"Transfer-Encoding must be chunked, once and alone, with no white space "
			"after it; it is %s\"%.40s\"",
			census->codings > 1 ? "doubled, at last " : "", census->coding);
	framing->chunked = true;
	return LOSS_OK;
}

static loss_status check_expectation(const struct census *census, bool old, struct framing *framing,
				     struct loss_error *err)
{
	/* RFC 9110, section 10.1.1: HTTP/1.0 knows no 100 (Continue), and the header is to be
	 * ignored there. */
	if (census->expectations == 0 || old)
		return LOSS_OK;
	if (census->expectations > 1 || strcasecmp(census->expectation, "100-continue") != 0)
		return loss_fail(
			err, STATUS_EXPECTATION_FAILED, NULL,
			"Expect is \"%.40s\"; the only expectation that this server meets is "
			"100-continue, given once and with no white space after it",
			census->expectation);
	framing->expects_continue = true;
	return LOSS_OK;
}

static loss_status check_lines(const struct raw_head *head, struct loss_error *err)
{
	if (strpbrk(head->target, " \t") || has_control(head->target))
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "the request line has white space or a control character inside "
				 "its target; encode it as %%20");
	if (!head->exact)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"a line of the request's head is folded, empty-named, has a NUL or "
			"too many spaces, or does not end with CR LF");
	return LOSS_OK;
}

loss_status guard_check(const struct raw_head *head, struct framing *framing,
			struct loss_error *err)
{
	bool old = strcmp(head->version, "HTTP/1.0") == 0;
	struct census census;

	*framing = (struct framing){0};
	loss_status status = take_census(head->headers, head->n_headers, &census, err);
	if (status == LOSS_OK)
		status = check_lines(head, err);
	if (status == LOSS_OK)
		status = check_host(&census, old, err);
	if (status == LOSS_OK)
		status = check_length(&census, framing, err);
	if (status == LOSS_OK)
		status = check_coding(&census, old, framing, err);
	if (status == LOSS_OK)
		status = check_expectation(&census, old, framing, err);
	return status;
}
