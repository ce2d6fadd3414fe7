/* The pages of the Open Inference Protocol, and what its clients expect of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/group.h"
#include "loss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INFER                                                                                      \
	"{\"inputs\": [{\"name\": \"logits\", \"shape\": [1, 2], \"datatype\": \"FP32\", "         \
	"\"data\": [1, 2]}, {\"name\": \"targets\", \"shape\": [1], \"datatype\": \"INT64\", "     \
	"\"data\": [1]}]}"

static void send_method(const char *method, const char *path, struct reply *reply)
{
	const struct request request = {.method = method, .path = path};
	client_send(client, &request, reply);
}

/* GET; the caller deletes it. */
static cJSON *get_json(const char *path)
{
	struct reply reply;
	char type[64];
	client_get(client, path, &reply);
	if (reply.status != 200)
		fail_msg("GET %s is %d: %s", path, reply.status, reply.body);
	assert_true(reply_header(&reply, "Content-Type", type, sizeof type));
	assert_string_equal(type, "application/json");
	cJSON *json = reply_json(&reply);
	reply_free(&reply);
	return json;
}

/* An error of this protocol: the status, {"error": ...} with those words, nothing else. */
static void assert_error(struct reply *reply, int status, const char *words)
{
	char type[64];
	if (reply->status != status || !strstr(reply->body, words))
		fail_msg("%d instead of %d \"%s\": %s", reply->status, status, words, reply->body);
	assert_true(reply_header(reply, "Content-Type", type, sizeof type));
	assert_string_equal(type, "application/json");
	cJSON *json = reply_json(reply);
	assert_int_equal(cJSON_GetArraySize(json), 1);
	assert_true(strlen(json_string(json_member(json, "error"))) > 0);
	cJSON_Delete(json);
	reply_free(reply);
}

static void assert_get_error(const char *path, int status, const char *words)
{
	struct reply reply;
	client_get(client, path, &reply);
	assert_error(&reply, status, words);
}

static void assert_post_error(const char *path, const char *body, int status, const char *words)
{
	struct reply reply;
	client_post(client, path, body, &reply);
	assert_error(&reply, status, words);
}

/* ---------------------------------------------------------------- the server */

static void the_server_names_its_extensions(void **state)
{
	static const char *const extensions[] = {"binary_tensor_data", "statistics",
						 "model_repository"};
	(void)state;
	cJSON *json = get_json("/v2");
	assert_string_equal(json_string(json_member(json, "name")), "lossd");
	assert_string_equal(json_string(json_member(json, "version")), LOSS_VERSION);
	const cJSON *list = json_member(json, "extensions");
	assert_int_equal(cJSON_GetArraySize(list), 3); /* no shared memory: it is switched off */
	for (int i = 0; i < 3; i++)
		assert_string_equal(cJSON_GetArrayItem(list, i)->valuestring, extensions[i]);
	cJSON *slash = get_json("/v2/");
	assert_true(cJSON_Compare(json, slash, true));
	cJSON_Delete(slash);
	cJSON_Delete(json);
}

/* ---------------------------------------------------------------- models */

static void every_loss_is_a_model_with_and_without_its_version(void **state)
{
	static const char *const pages[] = {"", "/ready", "/config", "/stats"};
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		for (size_t k = 0; k < sizeof pages / sizeof *pages; k++) {
			char path[128];
			snprintf(path, sizeof path, "/v2/models/%s%s", loss->name, pages[k]);
			cJSON *json = get_json(path);
			snprintf(path, sizeof path, "/v2/models/%s/versions/1%s", loss->name,
				 pages[k]);
			cJSON *same = get_json(path);
			assert_true(cJSON_Compare(json, same, true));
			if (k < 3)
				assert_string_equal(json_string(json_member(json, "name")),
						    loss->name);
			if (k == 1)
				assert_true(cJSON_IsTrue(json_member(json, "ready")));
			cJSON_Delete(json);
			cJSON_Delete(same);
		}
	}
}

static void unknown_models_and_versions_are_404(void **state)
{
	static const char *const pages[] = {"", "/ready", "/config", "/stats"};
	(void)state;
	for (size_t k = 0; k < sizeof pages / sizeof *pages; k++) {
		char path[128];
		snprintf(path, sizeof path, "/v2/models/cross_entrpy%s", pages[k]);
		assert_get_error(path, 404, "nearest is \\\"cross_entropy\\\"");
		snprintf(path, sizeof path, "/v2/models/softmax/versions/2%s", pages[k]);
		assert_get_error(path, 404, "no version \\\"2\\\" of softmax");
		snprintf(path, sizeof path, "/v2/models/softmax/versions/01%s", pages[k]);
		assert_get_error(path, 404, "the only one is \\\"1\\\"");
	}
	assert_post_error("/v2/models/softmax/versions/2/infer", INFER, 404, "no version");
	assert_post_error("/v2/models/nothing/infer", INFER, 404, "no loss");
	assert_post_error("/v2/repository/models/nothing/load", "{}", 404, "no loss");
}

/* tritonclient quotes the names that it puts into paths. */
static void quoted_names_are_the_same(void **state)
{
	(void)state;
	cJSON *json = get_json("/v2/models/%63ross%5fentropy/versions/%31");
	assert_string_equal(json_string(json_member(json, "name")), "cross_entropy");
	cJSON_Delete(json);
	assert_get_error("/v2/models/a%2Fb", 404, "there is no path /v2/models/a/b");
	assert_get_error("/v2/models/cross_entropy%00", 404, "NUL");
}

/* ---------------------------------------------------------------- the repository */

static void check_index(struct reply *reply)
{
	const struct loss_info *loss;
	assert_int_equal(reply->status, 200);
	cJSON *json = reply_json(reply);
	const cJSON *at = json->child;
	for (size_t i = 0; (loss = loss_at(i)); i++, at = at->next) {
		assert_non_null(at);
		assert_string_equal(json_string(json_member(at, "name")), loss->name);
		assert_string_equal(json_string(json_member(at, "version")), "1");
		assert_string_equal(json_string(json_member(at, "state")), "READY");
		assert_string_equal(json_string(json_member(at, "reason")), "");
	}
	assert_null(at);
	cJSON_Delete(json);
	reply_free(reply);
}

static void the_index_lists_all_losses(void **state)
{
	struct reply reply;
	(void)state;
	client_post(client, "/v2/repository/index", "{\"ready\": true}", &reply);
	check_index(&reply);
	client_post(client, "/v2/repository/index", "", &reply);
	check_index(&reply);
	send_method("POST", "/v2/repository/index", &reply);
	check_index(&reply);
	assert_post_error("/v2/repository/index", "{\"ready\": 1}", 400, "true or false");
	assert_post_error("/v2/repository/index", "{\"redy\": true}", 400, "\\\"ready\\\"");
	assert_post_error("/v2/repository/index", "{\"ready\": true", 400, "ends here");
}

static void loading_and_unloading_change_nothing(void **state)
{
	static const char *const bodies[] = {
		"", "{}", "{\"parameters\": {\"unload_dependents\": false}}",
		"{\"parameters\": {\"config\": \"{}\", \"file:1/model\": \"AAAA\"}}"};
	static const char *const verbs[] = {"load", "unload"};
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++) {
			char path[128];
			struct reply reply;
			snprintf(path, sizeof path, "/v2/repository/models/softmax/%s", verbs[i]);
			client_post(client, path, bodies[k], &reply);
			assert_int_equal(reply.status, 200);
			assert_string_equal(reply.body, "{}\n");
			reply_free(&reply);
		}
	cJSON_Delete(get_json("/v2/models/softmax/ready"));
	assert_post_error("/v2/repository/models/softmax/load", "{\"parameters\": 1}", 400,
			  "must be an object");
}

/* ---------------------------------------------------------------- small documents */

/* perf_analyzer's library sends whatever Content-Type its HTTP library puts there. */
static void any_media_type_will_do(void **state)
{
	static const char *const types[] = {"Content-Type: application/x-www-form-urlencoded",
					    "Content-Type: application/octet-stream",
					    "Content-Type: text/plain; charset=latin1",
					    "Content-Type:"};
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		const char *const headers[] = {types[i], NULL};
		const struct request request = {.path = "/v2/repository/index",
						.headers = headers,
						.body = "{\"ready\": true}"};
		struct reply reply;
		client_send(client, &request, &reply);
		check_index(&reply);
	}
}

static void documents_come_uncoded(void **state)
{
	const char *const headers[] = {"Content-Encoding: gzip", NULL};
	const struct request request = {
		.path = "/v2/repository/index", .headers = headers, .body = "{}"};
	struct reply reply;
	(void)state;
	client_send(client, &request, &reply);
	assert_error(&reply, 415, "identity only");
}

static size_t spaces(void *context, char *out, size_t n)
{
	size_t *left = context;
	if (n > *left)
		n = *left;
	memset(out, ' ', n);
	*left -= n;
	return n;
}

static void post_spaces(size_t n, size_t size, struct reply *reply)
{
	const struct request request = {
		.path = "/v2/repository/index", .upload = spaces, .context = &n, .body_size = size};
	client_send(client, &request, reply);
}

static void documents_have_a_limit(void **state)
{
	struct reply reply;
	(void)state;
	post_spaces(65536, 65536, &reply);
	check_index(&reply);
	post_spaces(65536, 0, &reply);
	check_index(&reply);
	post_spaces(65537, 65537, &reply);
	assert_error(&reply, 413, "65537 bytes, but the limit of this path is 65536");
	post_spaces(65537, 0, &reply);
	assert_error(&reply, 413, "longer than the limit of this path of 65536");
}

/* Without Content-Length too, as some clients send it. */
static void bodyless_posts_need_no_length(void **state)
{
	static const char *const paths[] = {"/v2/repository/index",
					    "/v2/repository/models/softmax/load",
					    "/v2/cudasharedmemory/unregister"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char text[256], answer[4096];
		int fd = raw_connect(&server);
		snprintf(text, sizeof text,
			 "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", paths[i]);
		assert_true(raw_send(fd, text, strlen(text)));
		raw_read(fd, answer, sizeof answer, 10000, NULL);
		if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
			fail_msg("POST %s: %s", paths[i], answer);
		close(fd);
	}
}

/* ---------------------------------------------------------------- methods */

static void methods_are_those_of_the_path(void **state)
{
	static const struct {
		const char *path, *allow;
	} table[] = {
		{"/v2/models/softmax", "GET, HEAD, OPTIONS"},
		{"/v2/models/softmax/versions/1/ready", "GET, HEAD, OPTIONS"},
		{"/v2/models/stats", "GET, HEAD, OPTIONS"},
		{"/v2/models/softmax/infer", "POST, OPTIONS"},
		{"/v2/models/softmax/versions/1/infer", "POST, OPTIONS"},
		{"/v2/repository/index", "POST, OPTIONS"},
		{"/v2/systemsharedmemory/status", "GET, HEAD, OPTIONS"},
		{"/v2/systemsharedmemory/region/a/register", "POST, OPTIONS"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char allow[64];
		struct reply reply;
		bool get = table[i].allow[0] == 'G';
		send_method("OPTIONS", table[i].path, &reply);
		assert_int_equal(reply.status, 204);
		assert_true(reply_header(&reply, "Allow", allow, sizeof allow));
		assert_string_equal(allow, table[i].allow);
		reply_free(&reply);
		send_method(get ? "POST" : "GET", table[i].path, &reply);
		assert_true(reply_header(&reply, "Allow", allow, sizeof allow));
		assert_string_equal(allow, table[i].allow);
		assert_error(&reply, 405, table[i].allow);
		send_method("HEAD", table[i].path, &reply);
		if (!get)
			assert_int_equal(reply.status, 405);
		else if (strstr(table[i].path, "memory"))
			assert_int_equal(reply.status, 404);
		else
			assert_int_equal(reply.status, 200);
		assert_int_equal(reply.body_size, 0);
		reply_free(&reply);
	}
}

static void a_slash_at_the_end_is_forgiven_at_v2_alone(void **state)
{
	(void)state;
	cJSON_Delete(get_json("/v2/"));
	assert_get_error("/v2/models/softmax/", 404, "leave out the slash");
	assert_get_error("/v2/models/softmax/versions/1/", 404, "leave out the slash");
	assert_get_error("/v2/models/stats/", 404, "leave out the slash");
	assert_post_error("/v2/repository/index/", "", 404, "leave out the slash");
	assert_get_error("/v2/models/", 404, "no path");
}

/* ---------------------------------------------------------------- statistics */

static const char *const parts[] = {"success",       "fail",           "queue",     "compute_input",
				    "compute_infer", "compute_output", "cache_hit", "cache_miss"};
#define N_PARTS (sizeof parts / sizeof *parts)

struct stats {
	double last_inference, inferences, executions;
	double counts[N_PARTS], ns[N_PARTS];
};

static double whole(const cJSON *object, const char *name)
{
	const cJSON *value = json_member(object, name);
	assert_true(cJSON_IsNumber(value) && value->valuedouble >= 0);
	return value->valuedouble;
}

/* All that perf_analyzer reads without asking whether it is there. */
static void read_stats(const char *path, const char *loss, struct stats *stats)
{
	cJSON *json = get_json(path);
	const cJSON *list = json_member(json, "model_stats"), *at = list->child;
	while (at && strcmp(json_string(json_member(at, "name")), loss) != 0)
		at = at->next;
	assert_non_null(at);
	assert_string_equal(json_string(json_member(at, "version")), "1");
	stats->last_inference = whole(at, "last_inference");
	stats->inferences = whole(at, "inference_count");
	stats->executions = whole(at, "execution_count");
	const cJSON *inference = json_member(at, "inference_stats");
	for (size_t i = 0; i < N_PARTS; i++) {
		stats->counts[i] = whole(json_member(inference, parts[i]), "count");
		stats->ns[i] = whole(json_member(inference, parts[i]), "ns");
	}
	assert_int_equal(cJSON_GetArraySize(json_member(at, "batch_stats")), 0);
	assert_int_equal(cJSON_GetArraySize(json_member(at, "memory_usage")), 0);
	cJSON_Delete(json);
}

static void infer(const char *path, const char *body, int status)
{
	struct reply reply;
	client_post(client, path, body, &reply);
	if (reply.status != status)
		fail_msg("POST %s is %d: %s", path, reply.status, reply.body);
	reply_free(&reply);
}

static void statistics_count_inferences(void **state)
{
	const char *page = "/v2/models/cross_entropy/stats";
	struct stats before, after;
	time_t start = time(NULL);
	(void)state;
	read_stats(page, "cross_entropy", &before);
	for (int i = 0; i < 3; i++)
		infer("/v2/models/cross_entropy/infer", INFER, 200);
	infer("/v2/models/cross_entropy/versions/1/infer", INFER, 200);
	infer("/v2/models/cross_entropy/infer", "{", 400);
	infer("/v2/models/cross_entropy/infer", "{}", 400);
	read_stats(page, "cross_entropy", &after);
	assert_true(after.last_inference >= (double)start * 1000);
	assert_true(after.last_inference <= ((double)time(NULL) + 1) * 1000);
	assert_true(after.inferences == before.inferences + 4);
	assert_true(after.executions == before.executions + 4);
	for (size_t i = 0; i < N_PARTS; i++) {
		double n = i == 1 ? 2 : i >= 6 ? 0 : 4;
		if (after.counts[i] != before.counts[i] + n)
			fail_msg("%s: %g instead of %g", parts[i],
				 after.counts[i] - before.counts[i], n);
		/* Nothing waits for the compute thread here. */
		if (i == 2 || i >= 6)
			assert_true(after.ns[i] == 0);
		else
			assert_true(after.ns[i] > before.ns[i]);
	}
	/* The parts of a request are not longer than all of it. */
	assert_true(after.ns[2] + after.ns[3] + after.ns[4] + after.ns[5] <= after.ns[0]);
}

/* Some readers of whole numbers take no fraction, not even ".0". */
static void whole_numbers_have_no_point(void **state)
{
	static const char *const pages[] = {"/v2/models/stats", "/v2/models/kl_div/config",
					    "/v2/models/kl_div"};
	(void)state;
	infer("/v2/models/cross_entropy/infer", INFER, 200);
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		struct reply reply;
		client_get(client, pages[i], &reply);
		assert_int_equal(reply.status, 200);
		assert_null(strchr(reply.body, '.'));
		reply_free(&reply);
	}
}

/* The page of all losses has the same numbers, and each loss its own. */
static void statistics_are_kept_apart(void **state)
{
	struct stats one, all, other;
	(void)state;
	infer("/v2/models/cross_entropy/infer", INFER, 200);
	read_stats("/v2/models/cross_entropy/versions/1/stats", "cross_entropy", &one);
	read_stats("/v2/models/stats", "cross_entropy", &all);
	read_stats("/v2/models/stats", "nll_loss", &other);
	assert_memory_equal(&one, &all, sizeof one);
	assert_true(other.inferences == 0 && other.last_inference == 0 && other.counts[1] == 0);
	infer("/v2/models/nll_loss/infer", INFER, 400);
	read_stats("/v2/models/stats", "nll_loss", &other);
	assert_true(other.inferences == 0 && other.counts[1] == 1);
	cJSON *json = get_json("/v2/models/stats");
	size_t n = 0;
	while (loss_at(n))
		n++;
	assert_int_equal(cJSON_GetArraySize(json_member(json, "model_stats")), n);
	cJSON_Delete(json);
}

static void evaluations_of_v1_are_no_inferences(void **state)
{
	struct stats before, after;
	(void)state;
	read_stats("/v2/models/stats", "cross_entropy", &before);
	infer(CROSS_ENTROPY, GOOD, 200);
	infer(CROSS_ENTROPY, "{", 400);
	read_stats("/v2/models/stats", "cross_entropy", &after);
	assert_memory_equal(&before, &after, sizeof before);
}

/* The metrics' labels are the templates, never what a caller wrote. */
static void the_metrics_label_is_the_template(void **state)
{
	(void)state;
	cJSON_Delete(get_json("/v2/models/kl_div/versions/1/config"));
	assert_true(server_metric(&server,
				  "lossd_http_requests_total{route=\"/v2/models/{loss}/versions/"
				  "{version}/config\",method=\"GET\",code=\"200\"}") >= 1);
}

/* ---------------------------------------------------------------- shared memory, switched off */

static void shared_memory_is_off_by_default(void **state)
{
	static const char *const posts[] = {"/v2/systemsharedmemory/region/a/register",
					    "/v2/systemsharedmemory/region/a/unregister",
					    "/v2/systemsharedmemory/unregister"};
	(void)state;
	assert_get_error("/v2/systemsharedmemory/status", 404, "shm_key_prefix");
	assert_get_error("/v2/systemsharedmemory/region/a/status", 404, "shm_key_prefix");
	for (size_t i = 0; i < 3; i++)
		assert_post_error(posts[i], "{\"key\": \"/a\", \"byte_size\": 1}", 404,
				  "shm_key_prefix");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_names_its_extensions),
		cmocka_unit_test(every_loss_is_a_model_with_and_without_its_version),
		cmocka_unit_test(unknown_models_and_versions_are_404),
		cmocka_unit_test(quoted_names_are_the_same),
		cmocka_unit_test(the_index_lists_all_losses),
		cmocka_unit_test(loading_and_unloading_change_nothing),
		cmocka_unit_test(any_media_type_will_do),
		cmocka_unit_test(documents_come_uncoded),
		cmocka_unit_test(documents_have_a_limit),
		cmocka_unit_test(bodyless_posts_need_no_length),
		cmocka_unit_test(methods_are_those_of_the_path),
		cmocka_unit_test(a_slash_at_the_end_is_forgiven_at_v2_alone),
		cmocka_unit_test(statistics_count_inferences),
		cmocka_unit_test(whole_numbers_have_no_point),
		cmocka_unit_test(statistics_are_kept_apart),
		cmocka_unit_test(evaluations_of_v1_are_no_inferences),
		cmocka_unit_test(the_metrics_label_is_the_template),
		cmocka_unit_test(shared_memory_is_off_by_default),
	};
	return cmocka_run_group_tests_name("v2", tests, group_start, group_stop);
}
