#include <string.h>

#include "../../../server/http/request_id.h"
#include "../../../server/metrics/metrics.h"
#include "../../../server/route/routes.h"
#include "../../../server/settings/config_load.h"
#include "driver.h"

/* ---------------------------------------------------------------- heads */

static void read_header(char *line, struct header *header)
{
	char *colon = strchr(line, ':');
	if (colon)
		*colon = '\0';
	header->name = line;
	header->value = colon ? colon + 1 + strspn(colon + 1, " \t") : "";
}

/* "METHOD TARGET VERSION", of which any may be missing. */
static void read_request_line(char *line, struct raw_head *raw)
{
	raw->method = fuzz_word(&line);
	raw->target = fuzz_word(&line);
	raw->version = *line ? line : "HTTP/1.1";
}

void fuzz_read_head(struct fuzz_input *input, struct fuzz_head *head)
{
	memset(&head->raw, 0, sizeof head->raw);
	head->lines[0][0] = '\0';
	fuzz_line(input, head->lines[0], true);
	read_request_line(head->lines[0], &head->raw);
	head->raw.headers = head->headers;
	head->raw.exact = true;
	while (head->raw.n_headers < FUZZ_MAX_HEADERS) {
		size_t n = head->raw.n_headers;
		char *line = head->lines[n + 1];
		if (!fuzz_line(input, line, true) || *line == '\0')
			return;
		read_header(line, &head->headers[n]);
		head->raw.n_headers++;
	}
}

/* ---------------------------------------------------------------- settings */

void fuzz_settings(struct config *config)
{
	static const char *labels[ROUTES_N + 1];
	char name[] = "lossd", hosts[] = "--hosts=*";
	char *argv[] = {name, hosts, NULL};
	size_t n = 0;
	fuzz_check(config_load(config, 2, argv) == CONFIG_SERVE, "the settings are wrong");
	for (const struct route *route = routes; route->path; route++)
		labels[n++] = route->path;
	labels[n++] = ROUTE_OTHER;
	fuzz_check(metrics_start(labels, n, loss_isa()), "no metrics");
	request_id_start();
}
