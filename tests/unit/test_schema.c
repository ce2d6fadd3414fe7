/* The schemas of discovery and those of api/openapi.yaml: the same members, required ones, types,
 * choices and bounds. What they let through and refuse: interop/test_schema.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "../support/contract.h"
#include "route/schema.h"

#define SCHEMAS "components>schemas>"

static int set_up(void **state)
{
	(void)state;
	return contract_load() ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	contract_free();
	return 0;
}

typedef void put_schema(struct json_out *out, const struct loss_info *loss);

static cJSON *schema_of(const struct loss_info *loss, put_schema *put)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct json_out out;
	assert_non_null(arena);
	json_out_start(&out, loss_buffer_create(arena));
	put(&out, loss);
	assert_false(out.failed);
	cJSON *schema = cJSON_ParseWithLength((const char *)out.buffer->data, out.buffer->size);
	assert_non_null(schema);
	loss_arena_destroy(arena);
	return schema;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The same keys, whatever their order. */
static void assert_same_keys(const cJSON *object, const char *name)
{
	char path[CONTRACT_NODE];
	size_t n = 0;
	strcpy(path, name); /* names of nodes are soon gone */
	const cJSON *one;
	cJSON_ArrayForEach(one, object)
	{
		assert_key(path, one->string);
		n++;
	}
	assert_int_equal(n, count_keys(path));
	assert_true(n > 0);
}

/* The same texts, but for a null. */
static void assert_same_items(const cJSON *list, const char *name)
{
	char path[CONTRACT_NODE];
	size_t n = 0;
	strcpy(path, name);
	const cJSON *one;
	cJSON_ArrayForEach(one, list)
	{
		if (cJSON_IsNull(one))
			continue;
		assert_item(path, one->valuestring);
		n++;
	}
	assert_int_equal(n, count_items(path));
}

/* The schema that a property of the contract refers to, or itself. */
static const char *resolve(const char *path)
{
	static const char before[] = "#/components/schemas/";
	const char *reference = yaml_value(contract, node("%s>$ref", path));
	if (!reference)
		return path;
	assert_memory_equal(reference, before, sizeof before - 1);
	return node(SCHEMAS "%s", reference + sizeof before - 1);
}

static void assert_same_bound(const cJSON *schema, const char *path, const char *word)
{
	const char *there = yaml_value(contract, node("%s>%s", path, word));
	const cJSON *here = member(schema, word);
	if (!here != !there)
		fail_msg("%s: %s is %s, but %s", path, word, there ? there : "absent",
			 here ? "not there" : "absent here");
	if (here)
		assert_true(here->valuedouble == strtod(there, NULL));
}

static void check_argument(const cJSON *schema, const char *path)
{
	char found[CONTRACT_NODE];
	strcpy(found, resolve(path));
	assert_string_equal(cJSON_GetArrayItem(member(schema, "type"), 0)->valuestring,
			    yaml_value(contract, node("%s>type", found)));
	bool listed = yaml_item(contract, node("%s>enum", found), 0) != NULL;
	if (member(schema, "enum"))
		assert_same_items(member(schema, "enum"), node("%s>enum", found));
	else if (!listed) {
		assert_same_bound(schema, found, "minimum");
		assert_same_bound(schema, found, "exclusiveMinimum");
		assert_same_bound(schema, found, "maximum");
	}
	for (size_t i = 0; listed && !member(schema, "enum"); i++) {
		const char *item = yaml_item(contract, node("%s>enum", found), i);
		if (!item)
			break;
		assert_true(strtod(item, NULL) >= member(schema, "minimum")->valuedouble &&
			    strtod(item, NULL) <= member(schema, "maximum")->valuedouble);
	}
}

static void requests_are_those_of_the_contract(void **state)
{
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)) != NULL; i++) {
		char path[CONTRACT_NODE];
		cJSON *schema = schema_of(loss, schema_put_request);
		const cJSON *properties = member(schema, "properties");
		strcpy(path, node(SCHEMAS "%s", schema_name("", loss->name, "Request")));
		assert_same_keys(properties, node("%s>properties", path));
		assert_same_items(member(schema, "required"), node("%s>required", path));
		assert_same_items(member(member(member(properties, "outputs"), "items"), "enum"),
				  node("%s>properties>outputs>items>enum", path));
		for (size_t k = 0; k < loss->n_arguments; k++) {
			const char *name = loss->arguments[k]->name;
			check_argument(member(properties, name),
				       node("%s>properties>%s", path, name));
		}
		assert_true(cJSON_IsFalse(member(schema, "additionalProperties")));
		cJSON_Delete(schema);
	}
}

static void assert_same_object(const cJSON *schema, const char *name)
{
	char path[CONTRACT_NODE];
	strcpy(path, node(SCHEMAS "%s", name));
	assert_same_keys(member(schema, "properties"), node("%s>properties", path));
	assert_same_items(member(schema, "required"), node("%s>required", path));
}

static void replies_are_those_of_the_contract(void **state)
{
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)) != NULL; i++) {
		cJSON *schema = schema_of(loss, schema_put_reply);
		const cJSON *properties = member(schema, "properties"), *one;
		cJSON_ArrayForEach(one, properties)
			assert_key(SCHEMAS "EvaluationReply>properties", one->string);
		for (size_t k = 0; k < loss->n_outputs; k++)
			assert_non_null(member(properties, loss->outputs[k]->name));
		assert_int_equal(loss->has_totals, member(properties, "totals") != NULL);
		if (loss->has_totals)
			assert_same_object(member(properties, "totals"), "Totals");
		assert_same_object(member(properties, "metrics"), "Metrics");
		cJSON_Delete(schema);
	}
}

/* Every reference is to a definition of the same schema, and none is for nothing. */
static void check_references(const cJSON *at, const cJSON *definitions, int *met)
{
	static const char before[] = "#/$defs/";
	const cJSON *one;
	cJSON_ArrayForEach(one, at)
	{
		if (one->string && strcmp(one->string, "$ref") == 0) {
			assert_memory_equal(one->valuestring, before, sizeof before - 1);
			const cJSON *definition =
				member(definitions, one->valuestring + sizeof before - 1);
			assert_non_null(definition);
			++*met;
		}
		check_references(one, definitions, met);
	}
}

static void references_are_resolved(void **state)
{
	static put_schema *const puts[] = {schema_put_request, schema_put_reply};
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)) != NULL; i++)
		for (size_t k = 0; k < 2; k++) {
			cJSON *schema = schema_of(loss, puts[k]);
			int met = 0;
			assert_string_equal(member(schema, "$schema")->valuestring,
					    "https://json-schema.org/draft/2020-12/schema");
			check_references(schema, member(schema, "$defs"), &met);
			assert_true(met > 3);
			cJSON_Delete(schema);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_those_of_the_contract),
		cmocka_unit_test(replies_are_those_of_the_contract),
		cmocka_unit_test(references_are_resolved),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
