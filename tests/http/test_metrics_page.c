/* docs/metrics.md and the page of /metrics say the same: families, types, labels; and api/README.md
 * has every reason of a rejection. */
#include "../support/fixture.h"
#include "../support/tls_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILIES_MAX 64

static struct tls_server world;
static char *document, *page;

/* Something of every family that is counted by the request. */
static int start(void **state)
{
	struct reply reply;
	(void)state;
	document = fixture_read_file("docs/metrics.md", NULL);
	tls_server_prepare(&world);
	if (tls_server_start(&world, NULL) != 0)
		return -1;
	struct client *client = client_open(&world.plain);
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	reply_free(&reply);
	client_get(client, "/metrics", &reply);
	page = strdup(reply.body);
	reply_free(&reply);
	client_close(client);
	return page ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	free(document);
	free(page);
	return tls_server_stop(&world);
}

/* Writes "name type label,label" of the first sample of a family; `labels` empty where it has none.
 */
static void describe(const char *name, const char *type, char *out, size_t size)
{
	char sample[160], labels[128] = "";
	const char *suffix = strcmp(type, "histogram") == 0 ? "_count" : "";
	snprintf(sample, sizeof sample, "\n%s%s", name, suffix);
	const char *at = page;
	do {
		at = strstr(at, sample);
		if (!at)
			fail_msg("there is no sample of %s on the page", name);
		at += strlen(sample);
	} while (*at != '{' && *at != ' ');
	for (const char *end = at + strcspn(at, "\n"); *at == '{' || *at == ',';) {
		size_t n = strcspn(++at, "=");
		size_t used = strlen(labels);
		snprintf(labels + used, sizeof labels - used, "%s%.*s", used ? "," : "", (int)n,
			 at);
		at += n + 2;
		at += strcspn(at, "\"") + 1;
		assert_true(at <= end);
	}
	snprintf(out, size, "%s %s %s", name, type, labels);
}

/* The families of the page, each as describe has it, one a line. */
static char *families_of_page(void)
{
	static char lines[8192];
	lines[0] = '\0';
	for (const char *at = page; (at = strstr(at, "# TYPE ")); at++) {
		char name[128], type[32], line[320];
		assert_int_equal(sscanf(at, "# TYPE %127s %31s", name, type), 2);
		describe(name, type, line, sizeof line);
		strcat(strcat(lines, line), "\n");
	}
	return lines;
}

/* Of a table's cell, what is between backticks, with commas between. */
static void join_words(const char *cell, size_t n, char *out, size_t size)
{
	size_t used = 0;
	bool in = false;
	out[0] = '\0';
	for (size_t i = 0; i < n && used + 2 < size; i++) {
		if (cell[i] == '`') {
			in = !in;
			if (in && used > 0)
				out[used++] = ',';
		} else if (in) {
			out[used++] = cell[i];
		}
	}
	out[used] = '\0';
}

/* The families of the document's table in the same form and order. */
static char *families_of_document(void)
{
	static char lines[8192];
	lines[0] = '\0';
	for (const char *row = document; (row = strstr(row, "\n| `")); row++) {
		char name[128], type[32], labels[128], line[320];
		const char *cell = row + strlen("\n| ");
		const char *second = strchr(cell, '|') + 1, *third = strchr(second, '|') + 1;
		join_words(cell, (size_t)(second - cell), name, sizeof name);
		assert_int_equal(sscanf(second, " %31[a-z] |", type), 1);
		join_words(third, strcspn(third, "|"), labels, sizeof labels);
		snprintf(line, sizeof line, "%s %s %s\n", name, type, labels);
		strcat(lines, line);
	}
	return lines;
}

static void the_table_is_the_page(void **state)
{
	(void)state;
	assert_non_null(strstr(page, "# TYPE lossd_connections gauge"));
	assert_string_equal(families_of_document(), families_of_page());
}

static void every_reason_is_explained(void **state)
{
	static const char series[] = "\nlossd_rejected_total{reason=\"";
	char *readme = fixture_read_file("api/README.md", NULL);
	const char *table = strstr(readme, "| reason | |");
	size_t n = 0;
	(void)state;
	assert_non_null(table);
	for (const char *at = page; (at = strstr(at, series)); n++) {
		char word[64];
		at += strlen(series);
		snprintf(word, sizeof word, "`%.*s`", (int)strcspn(at, "\""), at);
		if (!strstr(table, word))
			fail_msg("api/README.md does not explain %s", word);
	}
	assert_true(n > 5);
	free(readme);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_the_page),
		cmocka_unit_test(every_reason_is_explained),
	};
	return cmocka_run_group_tests_name("metrics page", tests, start, stop);
}
