/* The setting isa: the kernels that it names run, say so, and give the same text; one that the
 * machine has not got is one line and exit code 2. */
#include "../support/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "loss.h"

#define ROWS 40
#define CLASSES 70

/* Logits of three kinds of rows, more than one vector wide. */
static char *make_body(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("{\"outputs\": [\"loss\", \"grad\"], \"logits\": [", out);
	for (int r = 0; r < ROWS; r++) {
		fputs(r > 0 ? ",[" : "[", out);
		for (int c = 0; c < CLASSES; c++)
			fprintf(out, c > 0 ? ",%.4f" : "%.4f",
				(r % 3 * 1000) + (double)(r * 31 + c * 17 % 29) / 7);
		fputs("]", out);
	}
	fputs("], \"targets\": [", out);
	for (int r = 0; r < ROWS; r++)
		fprintf(out, r > 0 ? ",%d" : "%d", r);
	fputs("]}", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_build_info(struct client *client, const char *isa)
{
	struct reply reply;
	char wanted[128];
	client_get(client, "/metrics", &reply);
	assert_int_equal(reply.status, 200);
	snprintf(wanted, sizeof(wanted), "lossd_build_info{version=\"%s\",isa=\"%s\"} 1\n",
		 LOSS_VERSION, isa);
	assert_non_null(strstr(reply.body, wanted));
	reply_free(&reply);
}

/* What a server started like this replies, up to the times, which differ; it must name the isa. */
static char *reply_of(const char *const *flags, const char *const *environment, const char *isa)
{
	struct server server;
	struct reply reply;
	assert_int_equal(server_start(&server, flags, environment), 0);
	struct client *client = client_open(&server);
	char *body = make_body();
	client_post(client, "/v1/losses/cross_entropy", body, &reply);
	free(body);
	assert_int_equal(reply.status, 200);
	cJSON *json = reply_json(&reply);
	assert_string_equal(json_string(json_member(json_member(json, "metrics"), "isa")), isa);
	cJSON_Delete(json);
	char *metrics = strstr(reply.body, "\"metrics\"");
	assert_non_null(metrics);
	char *text = strndup(reply.body, (size_t)(metrics - reply.body));
	reply_free(&reply);
	assert_build_info(client, isa);
	client_close(client);
	assert_int_equal(server_stop(&server), 0);
	return text;
}

static void each_isa_runs_where_it_is_named(void **state)
{
	(void)state;
	const char *automatic[] = {"--isa", "auto", NULL};
	char *best = reply_of(automatic, NULL, loss_isa());
	for (size_t i = 0; loss_isa_at(i) != NULL; i++) {
		const char *isa = loss_isa_find(loss_isa_at(i));
		if (isa == NULL)
			continue;
		const char *flags[] = {"--isa", isa, NULL};
		char *text = reply_of(flags, NULL, isa);
		assert_string_equal(text, best);
		free(text);
	}
	free(best);
}

static void the_environment_names_one_too(void **state)
{
	(void)state;
	const char *environment[] = {"LOSSD_ISA=base", NULL};
	free(reply_of(NULL, environment, "base"));
}

static void what_is_not_here_is_one_line_and_exit_2(void **state)
{
	(void)state;
	struct server_run run;
	const char *flags[] = {"--isa", loss_isa_find("neon") != NULL ? "avx2" : "neon", NULL};
	assert_int_equal(server_run(&run, flags, NULL), 0);
	assert_int_equal(run.code, 2);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, "does not have"));
	assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
	server_run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_isa_runs_where_it_is_named),
		cmocka_unit_test(the_environment_names_one_too),
		cmocka_unit_test(what_is_not_here_is_one_line_and_exit_2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
