#include "guard.h"

#include <string.h>
#include <strings.h>

#include "codec/text/decimal.h"
#include "status/status.h"
#include "target.h"

/*
 * Headers that framing depends on, and how often each stands in the head. They are what
 * libmicrohttpd itself acts on, besides Connection, of which only the list "close" or "keep-alive"
 * counts and to it alone, and Cookie, which it copies and nobody reads. It compares whole values,
 * also the white space after them, and takes the first of several: so what it does not know is
 * refused here.
 */
enum counted { HOST, LENGTH, CODING, EXPECTATION, N_COUNTED };
static const struct header_name counted[N_COUNTED] = {
	[HOST] = HEADER_NAME("Host"),
	[LENGTH] = HEADER_NAME("Content-Length"),
	[CODING] = HEADER_NAME("Transfer-Encoding"),
	[EXPECTATION] = HEADER_NAME("Expect"),
};

struct census {
	size_t n[N_COUNTED];
	const char *last[N_COUNTED]; /* value */
};

/* What a byte may stand in: RFC 9110, section 5.6.2, for tokens; for a host what neither a path nor
 * user data begins with. */
enum { CONTROL = 1, TOKEN = 2, IN_HOST = 4 };
#define NO 0
#define C_ CONTROL /* but for the tab */
#define T_ TOKEN
#define H_ IN_HOST
#define TH (TOKEN | IN_HOST)
/* clang-format off */
static const unsigned char uses[256] = {
	C_, C_, C_, C_, C_, C_, C_, C_, C_, NO, C_, C_, C_, C_, C_, C_,
	C_, C_, C_, C_, C_, C_, C_, C_, C_, C_, C_, C_, C_, C_, C_, C_,
	/*       !   "   #   $   %   &   '   (   )   *   +   ,   -   .   / */
	NO, TH, NO, T_, TH, TH, TH, TH, H_, H_, TH, TH, NO, TH, TH, NO,
	/* 0                                 9   :   ;   <   =   >   ? */
	TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, H_, H_, NO, H_, NO, NO,
	/*  @   A */
	NO, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH,
	/*                                       Z   [   \   ]   ^   _ */
	TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, H_, NO, H_, T_, TH,
	/*  `   a */
	T_, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH,
	/*                                       z   {   |   }   ~  */
	TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, TH, NO, T_, NO, TH, C_,
};
/* clang-format on */
#undef NO
#undef C_
#undef T_
#undef H_
#undef TH

/* The length of a token; 0 of what is none. */
static size_t token_size(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	while (uses[*p] & TOKEN)
		p++;
	return *p == '\0' ? (size_t)(p - (const unsigned char *)text) : 0;
}

/* The NUL at the end is one, too. */
static bool has_control(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	while (!(uses[*p] & CONTROL))
		p++;
	return *p != '\0';
}

/* Headers that a fault makes void, not the request: head.c leaves them out. */
static bool is_courtesy(const char *name, size_t n)
{
	static const struct header_name names[] = {
		HEADER_NAME("X-Request-Id"), HEADER_NAME("traceparent"), HEADER_NAME("tracestate")};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (header_is(name, n, &names[i]))
			return true;
	return false;
}

/* RFC 9110, section 7.2: a host and perhaps a port; nothing that could be read as a path or as user
 * data. White space after it is nobody's: libmicrohttpd does not read it. */
static size_t host_size(const char *text)
{
	const char *p = text;
	while (uses[(unsigned char)*p] & IN_HOST)
		p++;
	return (size_t)(p - text);
}

static bool is_host(const char *text)
{
	size_t n = host_size(text);
	return n > 0 && text[n + strspn(text + n, " \t")] == '\0';
}

static void note(const struct header *header, size_t n, struct census *census)
{
	for (size_t i = 0; i < N_COUNTED; i++) {
		if (!header_is(header->name, n, &counted[i]))
			continue;
		census->n[i]++;
		census->last[i] = header->value;
	}
}

static loss_status take_census(const struct header *headers, size_t n, struct census *census,
			       struct loss_error *err)
{
	*census = (struct census){0};
	for (size_t i = 0; i < n; i++) {
		const struct header *h = &headers[i];
		size_t size = token_size(h->name);
		if (size == 0)
			return loss_fail(err, STATUS_INVALID_HEADER, NULL,
					 "\"%.40s\" is not a header name: a name is a token, right "
					 "before the colon",
					 h->name);
		if (has_control(h->value) && !is_courtesy(h->name, size))
			return loss_fail(err, STATUS_INVALID_HEADER, NULL,
					 "the value of %.40s has a control character", h->name);
		note(h, size, census);
	}
	return LOSS_OK;
}

static loss_status check_host(const struct census *census, bool old, struct loss_error *err)
{
	if (census->n[HOST] == 0 && old)
		return LOSS_OK;
	if (census->n[HOST] != 1)
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "the request has %zu Host headers; it must have one",
				 census->n[HOST]);
	if (!is_host(census->last[HOST]))
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "Host is \"%.60s\"; it must be a host name or address, and a port "
				 "where it is not the usual one",
				 census->last[HOST]);
	return LOSS_OK;
}

static loss_status check_length(const struct census *census, struct framing *framing,
				struct loss_error *err)
{
	if (census->n[LENGTH] == 0)
		return LOSS_OK;
	if (census->n[LENGTH] > 1)
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "the request has %zu Content-Length headers; it may have one",
				 census->n[LENGTH]);
	const char *text = census->last[LENGTH];
	/* A length past 2^64 is too large, whatever it is. */
	if (!decimal_parse(text, strlen(text), &framing->length))
		return loss_fail(err, STATUS_INVALID_HEADER, NULL,
				 "Content-Length is \"%.40s\"; it must be decimal digits", text);
	framing->has_length = true;
	return LOSS_OK;
}

static loss_status check_coding(const struct census *census, bool old, struct framing *framing,
				struct loss_error *err)
{
	if (census->n[CODING] == 0)
		return LOSS_OK;
	if (census->n[LENGTH] > 0)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"the request has both Content-Length and Transfer-Encoding; it may "
			"have one of them");
	if (old)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"Transfer-Encoding is not part of HTTP/1.0; send Content-Length, or "
			"HTTP/1.1");
	if (census->n[CODING] > 1 || strcasecmp(census->last[CODING], "chunked") != 0)
		return loss_fail(
			err, STATUS_INVALID_HEADER, NULL,
			"Transfer-Encoding must be chunked, once and alone, with no white space "
			"after it; it is %s\"%.40s\"",
			census->n[CODING] > 1 ? "doubled, at last " : "", census->last[CODING]);
	framing->chunked = true;
	return LOSS_OK;
}

static loss_status check_expectation(const struct census *census, bool old, struct framing *framing,
				     struct loss_error *err)
{
	/* RFC 9110, section 10.1.1: HTTP/1.0 knows no 100 (Continue), and the header is to be
	 * ignored there. */
	if (census->n[EXPECTATION] == 0 || old)
		return LOSS_OK;
	if (census->n[EXPECTATION] > 1 ||
	    strcasecmp(census->last[EXPECTATION], "100-continue") != 0)
		return loss_fail(
			err, STATUS_EXPECTATION_FAILED, NULL,
			"Expect is \"%.40s\"; the only expectation that this server meets is "
			"100-continue, given once and with no white space after it",
			census->last[EXPECTATION]);
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

/* Of the absolute form, where it stands in Host's place. */
static loss_status check_authority(const struct raw_head *head, struct loss_error *err)
{
	size_t n;
	const char *authority = target_authority(head->target, &n);
	if (!authority || (n > 0 && host_size(authority) == n))
		return LOSS_OK;
	return loss_fail(err, STATUS_INVALID_HEADER, NULL,
			 "the request's target is for \"%.*s\"; it must be a host name or address, "
			 "and a port where it is not the usual one",
			 n < 60 ? (int)n : 60, authority);
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
		status = check_authority(head, err);
	if (status == LOSS_OK)
		status = check_length(&census, framing, err);
	if (status == LOSS_OK)
		status = check_coding(&census, old, framing, err);
	if (status == LOSS_OK)
		status = check_expectation(&census, old, framing, err);
	return status;
}
