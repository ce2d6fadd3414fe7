/* Discovery against the table of losses, the pages for people, the contract's bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/route/pages.h"
#include "budget.h"
#include "status/status.h"

static const struct config config = {
	.max_body_bytes = 1342177280, .max_elements = UINT64_C(8589934592), .max_rank = 8};

static int set_up(void **state)
{
	*state = loss_arena_create(NULL);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	loss_arena_destroy(*state);
	return 0;
}

static struct loss_buffer *make_buffer(void **state)
{
	struct loss_buffer *buffer = loss_buffer_create(*state);
	assert_non_null(buffer);
	return buffer;
}

static const char *text_of(struct loss_buffer *buffer)
{
	assert_true(loss_buffer_append(buffer, "", 1));
	return (const char *)buffer->data;
}

static cJSON *json_of(struct loss_buffer *buffer)
{
	cJSON *json = cJSON_ParseWithOpts(text_of(buffer), NULL, 1);
	assert_non_null(json);
	return json;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!item)
		fail_msg("no member %s", name);
	return item;
}

static void expect_text(const cJSON *object, const char *name, const char *text)
{
	assert_string_equal(cJSON_GetStringValue(member(object, name)), text);
}

static void expect_limits(const cJSON *json)
{
	const cJSON *limits = member(json, "limits");
	assert_int_equal(cJSON_GetArraySize(limits), 3);
	assert_true(member(limits, "max_body_bytes")->valuedouble == 1342177280.0);
	assert_true(member(limits, "max_elements")->valuedouble == 8589934592.0);
	assert_true(member(limits, "max_rank")->valuedouble == 8.0);
}

static size_t count_losses(void)
{
	size_t n = 0;
	while (loss_at(n))
		n++;
	return n;
}

static void check_tensors(const cJSON *list, const struct loss_info *loss)
{
	assert_int_equal(cJSON_GetArraySize(list), loss->n_tensors);
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const cJSON *entry = cJSON_GetArrayItem(list, (int)i);
		const struct loss_tensor_info *tensor = &loss->tensors[i];
		expect_text(entry, "name", tensor->name);
		char shape[LOSS_PHRASE_CHARS];
		loss_describe_tensor_shape(loss, i, shape, sizeof shape);
		expect_text(entry, "shape", shape);
		expect_text(entry, "help", tensor->help);
		assert_true(cJSON_IsTrue(member(entry, "required")) == tensor->required);
		unsigned dtypes = 0;
		const cJSON *name;
		cJSON_ArrayForEach(name, member(entry, "dtypes")) dtypes |= LOSS_DTYPE_BIT(
			loss_dtype_find(name->valuestring, strlen(name->valuestring)));
		assert_int_equal(dtypes, tensor->dtypes);
	}
}

static void check_arguments(const cJSON *list, const struct loss_info *loss)
{
	assert_int_equal(cJSON_GetArraySize(list), loss->n_arguments);
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const cJSON *entry = cJSON_GetArrayItem(list, (int)i);
		const struct loss_argument_info *argument = loss->arguments[i];
		expect_text(entry, "name", argument->name);
		expect_text(entry, "help", argument->help);
		char *printed = cJSON_PrintUnformatted(member(entry, "default"));
		cJSON *parsed = cJSON_Parse(argument->default_json);
		char *expected = cJSON_PrintUnformatted(parsed);
		assert_string_equal(printed, expected);
		cJSON_free(printed);
		cJSON_free(expected);
		cJSON_Delete(parsed);
		char range[LOSS_PHRASE_CHARS];
		loss_describe_argument_range(loss, i, range, sizeof range);
		if (*range)
			expect_text(entry, "range", range);
		else
			assert_false(cJSON_HasObjectItem(entry, "range"));
		if (argument->type != LOSS_ARGUMENT_CHOICE) {
			assert_false(cJSON_HasObjectItem(entry, "choices"));
			continue;
		}
		expect_text(entry, "type", "string");
		int n = 0;
		for (; argument->choices[n]; n++)
			assert_string_equal(
				cJSON_GetArrayItem(member(entry, "choices"), n)->valuestring,
				argument->choices[n]);
		assert_int_equal(cJSON_GetArraySize(member(entry, "choices")), n);
	}
}

static void check_outputs(const cJSON *list, const struct loss_info *loss)
{
	assert_int_equal(cJSON_GetArraySize(list), loss->n_outputs);
	for (size_t i = 0; i < loss->n_outputs; i++) {
		const cJSON *entry = cJSON_GetArrayItem(list, (int)i);
		expect_text(entry, "name", loss->outputs[i]->name);
		char phrase[LOSS_PHRASE_CHARS];
		loss_describe_output_dtype(loss, i, phrase, sizeof phrase);
		expect_text(entry, "dtype", phrase);
		loss_describe_output_shape(loss, i, phrase, sizeof phrase);
		expect_text(entry, "shape", phrase);
		expect_text(entry, "help", loss->outputs[i]->help);
		assert_true(cJSON_IsBool(member(entry, "default")));
		assert_int_equal(cJSON_IsTrue(member(entry, "default")), i == 0);
	}
}

static void test_losses(void **state)
{
	struct loss_buffer *buffer = make_buffer(state);
	assert_true(pages_losses(buffer, &config));
	cJSON *json = json_of(buffer);
	expect_limits(json);
	const cJSON *losses = member(json, "losses");
	assert_true(count_losses() >= 5);
	assert_int_equal(cJSON_GetArraySize(losses), count_losses());
	for (size_t i = 0; i < count_losses(); i++) {
		const struct loss_info *loss = loss_at(i);
		const cJSON *entry = cJSON_GetArrayItem(losses, (int)i);
		char url[128];
		snprintf(url, sizeof url, "/v1/losses/%s", loss->name);
		expect_text(entry, "name", loss->name);
		expect_text(entry, "summary", loss->summary);
		expect_text(entry, "url", url);
		check_tensors(member(entry, "tensors"), loss);
		check_arguments(member(entry, "arguments"), loss);
		check_outputs(member(entry, "outputs"), loss);
	}
	cJSON_Delete(json);
}

static void test_each_loss(void **state)
{
	for (size_t i = 0; i < count_losses(); i++) {
		struct loss_buffer *buffer = make_buffer(state);
		const struct loss_info *loss = loss_at(i);
		assert_true(pages_loss(buffer, loss, &config));
		cJSON *json = json_of(buffer);
		char url[128];
		snprintf(url, sizeof url, "/v1/losses/%s", loss->name);
		expect_text(json, "name", loss->name);
		expect_text(json, "summary", loss->summary);
		expect_text(json, "url", url);
		expect_limits(json);
		check_tensors(member(json, "tensors"), loss);
		check_arguments(member(json, "arguments"), loss);
		check_outputs(member(json, "outputs"), loss);
		cJSON_Delete(json);
	}
}

/* One argument of every type, as a caller meets them. */
static void test_argument_types(void **state)
{
	static const char *const choices[] = {"none", "mean", NULL};
	static const struct loss_argument_info arguments[] = {
		{.name = "b", .type = LOSS_ARGUMENT_BOOLEAN, .default_json = "false", .help = "h"},
		{.name = "i", .type = LOSS_ARGUMENT_INTEGER, .default_json = "-100", .help = "h"},
		{.name = "n",
		 .type = LOSS_ARGUMENT_NUMBER,
		 .default_json = "null",
		 .range = {.min = 0.0, .max = 1.0},
		 .help = "h"},
		{.name = "c",
		 .type = LOSS_ARGUMENT_CHOICE,
		 .choices = choices,
		 .default_json = "\"mean\"",
		 .help = "h"},
	};
	static const struct loss_argument_info *const list[] = {&arguments[0], &arguments[1],
								&arguments[2], &arguments[3]};
	static const struct loss_info loss = {
		.name = "made_up", .summary = "s", .n_arguments = 4, .arguments = list};
	struct loss_buffer *buffer = make_buffer(state);
	assert_true(pages_loss(buffer, &loss, &config));
	assert_non_null(
		strstr(text_of(buffer),
		       "\"arguments\":[{\"name\":\"b\",\"type\":\"boolean\",\"default\":false,"
		       "\"help\":\"h\"},"
		       "{\"name\":\"i\",\"type\":\"integer\",\"default\":-100,\"help\":\"h\"},"
		       "{\"name\":\"n\",\"type\":\"number\",\"default\":null,\"range\":\"0 to "
		       "1\",\"help\":\"h\"},"
		       "{\"name\":\"c\",\"type\":\"string\",\"choices\":[\"none\",\"mean\"],"
		       "\"default\":\"mean\",\"help\":\"h\"}]"));
}

/* Every element that is opened is closed, in order, and there is one root. */
static void expect_balanced(const char *html)
{
	char open[32][16];
	int depth = 0, roots = 0;
	static const char doctype[] = "<!DOCTYPE html>\n";
	assert_memory_equal(html, doctype, sizeof doctype - 1);
	for (const char *p = html + sizeof doctype - 1; (p = strchr(p, '<')) != NULL;) {
		bool closing = p[1] == '/';
		p += 1 + closing;
		size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789");
		assert_true(n > 0 && n < sizeof open[0]);
		char name[16] = {0};
		memcpy(name, p, n);
		if (strcmp(name, "meta") == 0)
			continue;
		if (closing) {
			assert_true(depth > 0);
			assert_string_equal(name, open[--depth]);
			continue;
		}
		roots += depth == 0;
		assert_true(depth < 32);
		memcpy(open[depth++], name, sizeof name);
	}
	assert_int_equal(depth, 0);
	assert_int_equal(roots, 1);
}

/* Nothing is loaded from anywhere. */
static void expect_self_contained(const char *html)
{
	static const char *const loaders[] = {"src=",    "<link", "<script",
					      "@import", "url(",  "<iframe"};
	for (size_t i = 0; i < sizeof loaders / sizeof *loaders; i++)
		assert_null(strstr(html, loaders[i]));
}

static void test_problem_pages(void **state)
{
	for (size_t i = 0; i < STATUS_COUNT; i++) {
		loss_status status = status_at(i);
		struct loss_buffer *buffer = make_buffer(state);
		assert_true(pages_problem(buffer, status));
		const char *html = text_of(buffer);
		const struct loss_status_words *info = status_words(status);
		char line[128];
		snprintf(line, sizeof line, "<code>%s</code>, HTTP status %d", info->code,
			 status_http(status));
		assert_non_null(strstr(html, line));
		/* No row has a character that HTML must escape, so its text stands as it is. */
		assert_true(strpbrk(info->help, "<>&") == NULL);
		assert_non_null(strstr(html, info->help));
		assert_non_null(strstr(html, info->title));
		expect_balanced(html);
		expect_self_contained(html);
	}
}

static void test_index(void **state)
{
	struct loss_buffer *buffer = make_buffer(state);
	assert_true(pages_index(buffer, false));
	const char *html = text_of(buffer);
	expect_balanced(html);
	expect_self_contained(html);
	static const char *const parts[] = {
		LOSS_VERSION,
		"curl ",
		"href=\"/v1/losses\"",
		"href=\"/openapi.yaml\"",
		"href=\"/openapi.json\"",
		"href=\"/metrics\"",
		"href=\"/v2/health/ready\"",
		"'{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0], "};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (!strstr(html, parts[i]))
			fail_msg("not in the page: %s", parts[i]);
	for (size_t i = 0; loss_at(i); i++) {
		char link[128];
		snprintf(link, sizeof link, "href=\"/v1/losses/%s\"", loss_at(i)->name);
		assert_non_null(strstr(html, link));
	}
}

/* Where the server asks for a key, so does the page, and sends it with its links. */
static void test_index_with_keys(void **state)
{
	struct loss_buffer *buffer = make_buffer(state);
	assert_true(pages_index(buffer, true));
	const char *html = text_of(buffer);
	static const char *const parts[] = {
		"<input id=\"key\" type=\"password\"", "Authorization: Bearer KEY",
		"{Authorization: 'Bearer '", "href=\"/v1/losses\"", "href=\"/metrics\""};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (!strstr(html, parts[i]))
			fail_msg("not in the page: %s", parts[i]);
	/* It is kept nowhere, and nothing is loaded from elsewhere. */
	static const char *const others[] = {"Storage", "cookie", "src=", "<link", "http://www"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_null(strstr(html, others[i]));
}

static void test_openapi_is_the_file(void **state)
{
	(void)state;
	size_t size = 0;
	const unsigned char *bytes = pages_openapi_yaml(&size);
	FILE *file = fopen("api/openapi.yaml", "rb");
	assert_non_null(file);
	char *text = malloc(size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, size + 1, file), size);
	assert_memory_equal(text, bytes, size);
	free(text);
	fclose(file);
}

static void test_no_memory(void **state)
{
	size_t block = loss_arena_held(*state);
	struct loss_budget budget = {.limit = block};
	struct loss_arena *arena = loss_arena_create(&budget);
	assert_non_null(arena);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_non_null(buffer);
	assert_false(pages_losses(buffer, &config));
	assert_false(pages_loss(buffer, loss_at(0), &config));
	assert_false(pages_problem(buffer, LOSS_WRONG_TYPE));
	assert_false(pages_index(buffer, false));
	assert_false(pages_index(buffer, true));
	loss_arena_destroy(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_losses),         TEST(test_each_loss),
		TEST(test_argument_types), TEST(test_problem_pages),
		TEST(test_index),          TEST(test_openapi_is_the_file),
		TEST(test_no_memory),      TEST(test_index_with_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
