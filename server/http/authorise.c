#include "authorise.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "keys/date.h"
#include "status/status.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static bool is_open(const struct request *request)
{
	const struct server *server = request->server;
	enum key_scope scope = request->route ? request->route->scope : KEY_OPEN;
	return !server->keys || !request->endpoint || scope == KEY_OPEN ||
	       (scope == KEY_METRICS && server->config.metrics_open);
}

/* The key in "Bearer KEY": token68 of RFC 9110, section 11.2. */
static bool cut_key(const char *value, struct keys_visit *visit)
{
	static const char scheme[] = "Bearer";
	size_t n = sizeof scheme - 1;
	if (strncasecmp(value, scheme, n) != 0 || value[n] != ' ')
		return false;
	visit->key = value + n + strspn(value + n, " ");
	size_t letters = strspn(visit->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					    "0123456789-._~+/");
	visit->n = letters + strspn(visit->key + letters, "=");
	return letters > 0 && visit->key[visit->n] == '\0';
}

/* Begun ones are whole. */
static unsigned seconds_of(uint64_t ns)
{
	uint64_t seconds = ns / NS_PER_SECOND + (ns % NS_PER_SECOND > 0);
	return seconds < UINT_MAX ? (unsigned)seconds : UINT_MAX;
}

static loss_status fail_rate(const struct keys_guest *guest, const char *what, const char *name,
			     struct loss_error *err)
{
	return loss_fail(err, STATUS_RATE_LIMITED, NULL,
			 "the key \"%s\" may send %" PRIu64 " %s a second (%s), and has; send this "
			 "one again after Retry-After",
			 guest->name, guest->rate, what, name);
}

static loss_status fail(const struct request *request, enum keys_verdict verdict,
			struct loss_error *err)
{
	const struct keys_guest *guest = &request->guest;
	char date[DATE_SIZE];
	switch (verdict) {
	case KEYS_ADMITTED:
		return LOSS_OK;
	case KEYS_EXPIRED:
		return loss_fail(err, STATUS_UNAUTHORIZED, NULL, "the key \"%s\" has expired at %s",
				 guest->name, date_write(guest->expired, date));
	case KEYS_NO_SCOPE:
		return loss_fail(err, STATUS_FORBIDDEN, NULL,
				 "the key \"%s\" has not the scope %s, which %s needs", guest->name,
				 key_scopes[request->route->scope], request->route->path);
	case KEYS_TOO_MANY_REQUESTS:
		return fail_rate(guest, "requests", "requests_per_second", err);
	case KEYS_TOO_MANY_BYTES:
		return fail_rate(guest, "bytes", "bytes_per_second", err);
	default:
		return loss_fail(err, STATUS_UNAUTHORIZED, NULL,
				 "the key in Authorization is not one of this server's");
	}
}

loss_status authorise(struct request *request, bool reads, struct loss_error *err)
{
	const struct head *head = &request->head;
	if (is_open(request) || status_precedes(request->fault.error.status, STATUS_UNAUTHORIZED))
		return LOSS_OK;
	struct keys_visit visit = {
		.has_body = head->framing.chunked || head->framing.length > 0,
		.bytes = reads ? head->framing.length : 0,
		.now_ns = clock_ns(),
		.now = (int64_t)time(NULL),
	};
	if (!head->authorization)
		return loss_fail(err, STATUS_UNAUTHORIZED, NULL,
				 "%s needs a key; send Authorization: Bearer and the key",
				 request->route->path);
	if (!cut_key(head->authorization, &visit))
		return loss_fail(err, STATUS_UNAUTHORIZED, NULL,
				 "Authorization must stand there once, as Bearer, a space and the "
				 "key, which is letters, digits and -._~+/");
	visit.scope = request->route->scope;
	enum keys_verdict verdict = keys_judge(request->server->keys, &visit, &request->guest);
	request->retry_s = seconds_of(request->guest.wait_ns);
	return fail(request, verdict, err);
}

void authorise_bytes(struct request *request, size_t n)
{
	if (request->guest.metered)
		keys_spend(request->server->keys, &request->guest, n, clock_ns());
}

const char *authorise_challenge(const struct request *request)
{
	return request->head.authorization ? "Bearer error=\"invalid_token\"" : "Bearer";
}
