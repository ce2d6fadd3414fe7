/* api/openapi.yaml against the tables that the server is made of, in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../server/codec/oip/oip_names.h"
#include "../../server/codec/style.h"
#include "../../server/eval/protocols.h"
#include "../../server/route/pages.h"
#include "../../server/route/routes.h"
#include "../support/client.h"
#include "../support/contract.h"
#include "loss.h"
#include "status/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POST_PATH "paths>/v1/losses/{loss}>post"

/* ---------------------------------------------------------------- routes */

static void every_route_is_documented(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		assert_key("paths", route->path);
		for (size_t m = 0; m < N_CONTRACT_METHODS; m++)
			if (route_allows(route, contract_methods[m].method) &&
			    !documents(route->path, m))
				fail_msg("%s %s is a route, but is not documented",
					 contract_methods[m].name, route->path);
	}
}

static const struct route *find_route(const char *path)
{
	for (const struct route *route = routes; route->path; route++)
		if (strcmp(route->path, path) == 0)
			return route;
	return NULL;
}

static void every_documented_operation_is_a_route(void **state)
{
	(void)state;
	const char *path;
	size_t n = 0;
	for (; (path = yaml_key(contract, "paths", n)); n++) {
		const struct route *route = find_route(path);
		if (!route)
			fail_msg("%s is documented, but is not a route", path);
		for (size_t m = 0; m < N_CONTRACT_METHODS; m++)
			if (documents(path, m) && !route_allows(route, contract_methods[m].method))
				fail_msg("%s %s is documented, but is not a route",
					 contract_methods[m].name, path);
	}
	assert_true(n > 0);
}

/* The media type that a route declares, without its parameters, is the one documented for 200. */
static void the_media_types_are_the_routes(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		for (size_t m = 0; m < N_CONTRACT_METHODS; m++) {
			const struct endpoint *endpoint =
				route_endpoint(route, contract_methods[m].method);
			if (endpoint && contract_methods[m].method != METHOD_HEAD)
				assert_key(node("paths>%s>%s>responses>200>content", route->path,
						contract_methods[m].key),
					   node("%.*s", (int)strcspn(endpoint->content_type, ";"),
						endpoint->content_type));
		}
	}
}

/* What a route evaluates is documented in every format of its protocol, and in no other. */
static void check_formats(const struct route *route, const struct endpoint *endpoint)
{
	const struct protocol *protocol = endpoint->protocol;
	const struct reply_format *lines =
		endpoint->lines ? endpoint->lines->protocol->replies : NULL;
	char bodies[CONTRACT_NODE], replies[CONTRACT_NODE];
	size_t n = 0;
	snprintf(bodies, sizeof bodies, "paths>%s>post>requestBody>content", route->path);
	snprintf(replies, sizeof replies, "paths>%s>post>responses>200>content", route->path);
	for (; protocol->requests[n].name; n++)
		assert_key(bodies, protocol->requests[n].name);
	assert_int_equal(count_keys(bodies), n);
	for (n = 0; protocol->replies[n].content_type; n++)
		assert_key(replies, protocol->replies[n].content_type);
	for (; lines && lines->content_type; lines++, n++)
		assert_key(replies, lines->content_type);
	assert_int_equal(count_keys(replies), n);
}

static void the_formats_are_the_protocols(void **state)
{
	size_t n = 0;
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		const struct endpoint *endpoint = &route->on[METHOD_POST];
		if (!endpoint->protocol)
			continue;
		check_formats(route, endpoint);
		n++;
	}
	assert_true(n > 0);
}

/* ---------------------------------------------------------------- errors */

static void the_error_codes_are_the_tables(void **state)
{
	(void)state;
	const char *list = "components>schemas>ErrorCode>enum";
	for (size_t i = 1; i < STATUS_COUNT; i++) {
		const char *item = yaml_item(contract, list, i - 1);
		assert_non_null(item);
		assert_string_equal(item, status_words(status_at(i))->code);
	}
	assert_int_equal(count_items(list), STATUS_COUNT - 1);
}

static bool table_has_http(const char *http)
{
	for (size_t i = 0; i < STATUS_COUNT; i++)
		if (status_http(status_at(i)) == atoi(http))
			return true;
	return false;
}

static void the_statuses_of_an_evaluation_are_the_tables(void **state)
{
	(void)state;
	const char *responses = POST_PATH ">responses";
	for (size_t i = 0; i < STATUS_COUNT; i++)
		assert_key(responses, node("%d", status_http(status_at(i))));
	for (size_t i = 0; i < count_keys(responses); i++)
		if (!table_has_http(yaml_key(contract, responses, i)))
			fail_msg("no error has the status %s", yaml_key(contract, responses, i));
}

/* Below /v2 the place of 422 is 400. */
static void the_statuses_of_an_inference_are_the_tables(void **state)
{
	static const char *const bases[] = {"/v2/models/{loss}",
					    "/v2/models/{loss}/versions/{version}"};
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		char responses[CONTRACT_NODE];
		snprintf(responses, sizeof responses, "paths>%s/infer>post>responses", bases[k]);
		for (size_t i = 0; i < STATUS_COUNT; i++) {
			int http = status_http(status_at(i));
			assert_key(responses, node("%d", http == 422 ? 400 : http));
		}
		for (size_t i = 0; i < count_keys(responses); i++) {
			assert_true(table_has_http(yaml_key(contract, responses, i)));
			assert_string_not_equal(yaml_key(contract, responses, i), "422");
		}
	}
}

/* The role that an operation's key needs: "" where it says nothing, "open" where none is needed. */
static const char *role_of(const cJSON *operation)
{
	const cJSON *security = json_find(operation, "security");
	if (!security)
		return "";
	if (cJSON_GetArraySize(security) == 0)
		return "open";
	assert_int_equal(cJSON_GetArraySize(security), 2); /* where keys are asked for */
	assert_int_equal(cJSON_GetArraySize(security->child), 0);
	const cJSON *roles = json_member(security->child->next, "bearer");
	assert_int_equal(cJSON_GetArraySize(roles), 1);
	return json_string(roles->child);
}

static void check_key(const cJSON *operation, const struct route *route)
{
	static const char *const roles[] = {[KEY_EVALUATE] = "",
					    [KEY_METRICS] = "metrics",
					    [KEY_ADMIN] = "admin",
					    [KEY_OPEN] = "open"};
	static const char *const refusals[] = {"401", "403", "429"};
	const cJSON *responses = json_member(operation, "responses");
	for (size_t i = 0; i < 3; i++)
		if ((json_find(responses, refusals[i]) != NULL) != (route->scope != KEY_OPEN))
			fail_msg("%s: %s", route->path, refusals[i]);
	assert_string_equal(role_of(operation), roles[route->scope]);
}

/* What needs a key says which, and what comes without one; what needs none says so. */
static void the_keys_are_the_routes(void **state)
{
	size_t size;
	const char *text = (const char *)pages_openapi_json(&size);
	cJSON *document = cJSON_ParseWithLength(text, size);
	(void)state;
	assert_non_null(document);
	for (const struct route *route = routes; route->path; route++) {
		const cJSON *path = json_member(json_member(document, "paths"), route->path);
		if (route_allows(route, METHOD_GET))
			check_key(json_member(path, "get"), route);
		if (route_allows(route, METHOD_POST))
			check_key(json_member(path, "post"), route);
	}
	cJSON_Delete(document);
}

/* ---------------------------------------------------------------- losses */

static void the_losses_are_the_tables(void **state)
{
	(void)state;
	const char *list = "components>schemas>LossName>enum";
	const char *bodies = "components>schemas>EvaluationRequest>anyOf";
	size_t n = 0;
	for (const struct loss_info *loss; (loss = loss_at(n)); n++) {
		assert_item(list, loss->name);
		assert_item(bodies, node("#/components/schemas/%s",
					 schema_name("", loss->name, "Request")));
	}
	assert_int_equal(count_items(list), n);
	assert_int_equal(count_items(bodies), n);
}

static void check_fields(const struct loss_info *loss)
{
	const char *schema = node("components>schemas>%s", schema_name("", loss->name, "Request"));
	char properties[CONTRACT_NODE], required[CONTRACT_NODE];
	snprintf(properties, sizeof properties, "%s>properties", schema);
	snprintf(required, sizeof required, "%s>required", schema);
	size_t n_required = 0;
	for (size_t i = 0; i < loss->n_tensors; i++) {
		assert_key(properties, loss->tensors[i].name);
		n_required += loss->tensors[i].required;
		if (loss->tensors[i].required)
			assert_item(required, loss->tensors[i].name);
	}
	for (size_t i = 0; i < loss->n_arguments; i++)
		assert_key(properties, loss->arguments[i]->name);
	assert_key(properties, "outputs");
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++)
		assert_key(properties, style_arguments[i].name);
	assert_int_equal(count_items(required), n_required);
	assert_int_equal(count_keys(properties),
			 loss->n_tensors + loss->n_arguments + 1 + N_STYLE_ARGUMENTS);
}

static void the_fields_of_each_loss_are_the_tables(void **state)
{
	(void)state;
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)); i++)
		check_fields(loss);
}

/* In words: a default of the schema would be sent by generated clients, in the query and the body
 * both, and asked for by some. */
static void assert_default(const char *schema, const char *value)
{
	const char *description = yaml_value(contract, node("%s>description", schema));
	assert_non_null(description);
	if (!strstr(description, node("Default: %s.", value)))
		fail_msg("%s does not say that its default is %s", schema, value);
	assert_null(yaml_value(contract, node("%s>default", schema)));
}

static void check_outputs(const struct loss_info *loss)
{
	char outputs[CONTRACT_NODE], list[CONTRACT_NODE + 16];
	snprintf(outputs, sizeof outputs, "components>schemas>%s>properties>outputs",
		 schema_name("", loss->name, "Request"));
	snprintf(list, sizeof list, "%s>items>enum", outputs);
	assert_default(outputs, node("`[%s]`", loss->outputs[0]->name));
	for (size_t i = 0; i < loss->n_outputs; i++) {
		assert_item(list, loss->outputs[i]->name);
		assert_item("components>schemas>OutputName>enum", loss->outputs[i]->name);
		assert_key("components>schemas>EvaluationReply>properties", loss->outputs[i]->name);
	}
	assert_int_equal(count_items(list), loss->n_outputs);
}

static void the_outputs_of_each_loss_are_the_tables(void **state)
{
	(void)state;
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)); i++)
		check_outputs(loss);
}

/* Any loss's argument of that name, or NULL. */
static const struct loss_argument_info *find_argument(const char *name)
{
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		int found = loss_find_argument(loss, name, strlen(name));
		if (found >= 0)
			return loss->arguments[found];
	}
	return NULL;
}

static void check_default(const char *schema, const struct loss_argument_info *argument)
{
	const char *json = argument->default_json;
	size_t quote = *json == '"';
	if (strcmp(json, "null") == 0)
		assert_default(schema, "none");
	else
		assert_default(schema,
			       node("`%.*s`", (int)(strlen(json) - 2 * quote), json + quote));
}

static void check_choices(const char *schema, const struct loss_argument_info *argument)
{
	const char *list = node("%s>enum", schema);
	size_t n = 0;
	while (argument->choices[n])
		assert_item(list, argument->choices[n++]);
	assert_int_equal(count_items(list), n);
}

static void check_bounds(const char *schema, const struct loss_argument_info *argument)
{
	const char *min = yaml_value(
		contract, node("%s>%s", schema,
			       argument->range.min_excluded ? "exclusiveMinimum" : "minimum"));
	const char *max = yaml_value(
		contract, node("%s>%s", schema,
			       argument->range.max_excluded ? "exclusiveMaximum" : "maximum"));
	assert_non_null(min);
	assert_non_null(max);
	assert_true(strtod(min, NULL) == argument->range.min);
	assert_true(strtod(max, NULL) == argument->range.max);
}

/* The last part of a reference: "argument_reduction" of "#/components/schemas/argument_reduction".
 */
static const char *referred(const char *place)
{
	const char *reference = yaml_value(contract, node("%s>$ref", place));
	if (!reference)
		fail_msg("%s refers to nothing", place);
	return strrchr(reference, '/') + 1;
}

/* Of a loss's argument, the schema that its request refers to. */
static void check_argument(const struct loss_info *loss, const struct loss_argument_info *argument)
{
	static const char *const types[] = {
		[LOSS_ARGUMENT_BOOLEAN] = "boolean",
		[LOSS_ARGUMENT_INTEGER] = "integer",
		[LOSS_ARGUMENT_NUMBER] = "number",
		[LOSS_ARGUMENT_CHOICE] = "string",
	};
	char schema[CONTRACT_NODE], place[CONTRACT_NODE];
	snprintf(place, sizeof place, "components>schemas>%s>properties>%s",
		 schema_name("", loss->name, "Request"), argument->name);
	snprintf(schema, sizeof schema, "components>schemas>%s", referred(place));
	assert_non_null(strstr(schema, schema_name("Argument", argument->name, "")));
	assert_string_equal(yaml_value(contract, node("%s>type", schema)), types[argument->type]);
	check_default(schema, argument);
	if (argument->type == LOSS_ARGUMENT_CHOICE)
		check_choices(schema, argument);
	bool listed = yaml_item(contract, node("%s>enum", schema), 0) != NULL;
	if (argument->type == LOSS_ARGUMENT_NUMBER ||
	    (argument->type == LOSS_ARGUMENT_INTEGER && !listed))
		check_bounds(schema, argument);
}

/* Each argument has its schema, and each is a parameter of the query string; and nothing else is,
 * but what is wanted of the reply. */
static void the_arguments_are_the_tables(void **state)
{
	(void)state;
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		for (size_t j = 0; j < loss->n_arguments; j++) {
			check_argument(loss, loss->arguments[j]);
			assert_item(POST_PATH ">parameters",
				    node("#/components/parameters/%s", loss->arguments[j]->name));
		}
	}
	const char *name;
	for (size_t i = 0; (name = yaml_key(contract, "components>parameters", i)); i++) {
		const char *place = yaml_value(contract, node("components>parameters>%s>in", name));
		assert_non_null(place);
		bool of_reply = strcmp(name, "outputs") == 0 || strcmp(name, "compress") == 0 ||
				style_find(name, strlen(name)) < N_STYLE_ARGUMENTS;
		if (strcmp(place, "query") == 0 && !of_reply)
			assert_non_null(find_argument(name));
	}
}

static void the_arguments_of_replies_are_the_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++) {
		const struct style_info *info = &style_arguments[i];
		assert_item(POST_PATH ">parameters",
			    node("#/components/parameters/%s", info->name));
		const char *schema = yaml_value(
			contract, node("components>parameters>%s>schema>$ref", info->name));
		char list[128];
		size_t n = 0;
		assert_non_null(schema);
		snprintf(list, sizeof list, "components>schemas>%s>enum", strrchr(schema, '/') + 1);
		for (; info->words[n]; n++)
			assert_item(list, info->words[n]);
		assert_int_equal(count_items(list), n);
	}
}

static void the_dtypes_are_the_tables(void **state)
{
	(void)state;
	const char *list = "components>schemas>Dtype>enum";
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
		assert_item(list, loss_dtype_info((loss_dtype)dtype)->name);
	assert_int_equal(count_items(list), LOSS_N_DTYPES);
}

static void the_datatypes_are_the_tables(void **state)
{
	(void)state;
	const char *list = "components>schemas>Datatype>enum";
	size_t n = 0;
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++) {
		const char *name = oip_name((loss_dtype)dtype);
		if (!name)
			continue;
		assert_item(list, name);
		n++;
	}
	assert_int_equal(count_items(list), n);
}

static bool is_the_protocols(const char *name)
{
	static const char *const names[] = {"timeout",    "priority",     "binary_data_output",
					    "non_finite", "content_type", "headers"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Every argument of every loss is a parameter of an inference, and all others are the protocol's.
 */
static void the_parameters_of_an_inference_are_the_tables(void **state)
{
	(void)state;
	const char *properties = "components>schemas>InferParameters>properties";
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)); i++)
		for (size_t j = 0; j < loss->n_arguments; j++)
			assert_key(properties, loss->arguments[j]->name);
	for (size_t i = 0; i < count_keys(properties); i++) {
		const char *name = yaml_key(contract, properties, i);
		assert_true(is_the_protocols(name) || find_argument(name));
	}
}

static void the_version_is_the_librarys(void **state)
{
	(void)state;
	const char *version = yaml_value(contract, "info>version");
	assert_non_null(version);
	assert_string_equal(version, LOSS_VERSION);
}

/* ---------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_documented),
		cmocka_unit_test(every_documented_operation_is_a_route),
		cmocka_unit_test(the_media_types_are_the_routes),
		cmocka_unit_test(the_formats_are_the_protocols),
		cmocka_unit_test(the_error_codes_are_the_tables),
		cmocka_unit_test(the_statuses_of_an_evaluation_are_the_tables),
		cmocka_unit_test(the_statuses_of_an_inference_are_the_tables),
		cmocka_unit_test(the_keys_are_the_routes),
		cmocka_unit_test(the_losses_are_the_tables),
		cmocka_unit_test(the_fields_of_each_loss_are_the_tables),
		cmocka_unit_test(the_outputs_of_each_loss_are_the_tables),
		cmocka_unit_test(the_arguments_are_the_tables),
		cmocka_unit_test(the_arguments_of_replies_are_the_tables),
		cmocka_unit_test(the_dtypes_are_the_tables),
		cmocka_unit_test(the_datatypes_are_the_tables),
		cmocka_unit_test(the_parameters_of_an_inference_are_the_tables),
		cmocka_unit_test(the_version_is_the_librarys),
	};
	return cmocka_run_group_tests_name("contract", tests, set_up, tear_down);
}
