#include "yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

struct yaml {
	yaml_document_t document;
};

struct yaml *yaml_load(const char *file)
{
	FILE *in = fopen(file, "r");
	if (!in) {
		perror(file);
		return NULL;
	}
	struct yaml *yaml = calloc(1, sizeof *yaml);
	yaml_parser_t parser;
	if (!yaml || !yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_file(&parser, in);
	if (!yaml_parser_load(&parser, &yaml->document)) {
		fprintf(stderr, "%s:%zu: %s\n", file, parser.problem_mark.line + 1, parser.problem);
		free(yaml);
		yaml = NULL;
	}
	yaml_parser_delete(&parser);
	fclose(in);
	return yaml;
}

void yaml_unload(struct yaml *yaml)
{
	if (!yaml)
		return;
	yaml_document_delete(&yaml->document);
	free(yaml);
}

/* ---------------------------------------------------------------- nodes */

/* The library reads documents, and takes them as if to change them. */
static const yaml_node_t *node_at(const struct yaml *yaml, int index)
{
	return &yaml->document.nodes.start[index - 1];
}

static const char *text_of(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : "";
}

static size_t count(const yaml_node_t *node)
{
	if (node->type == YAML_MAPPING_NODE)
		return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
	if (node->type == YAML_SEQUENCE_NODE)
		return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	return 0;
}

/* The value of a mapping's key of `size` bytes, or NULL. */
static const yaml_node_t *member(const struct yaml *yaml, const yaml_node_t *node, const char *key,
				 size_t size)
{
	for (size_t i = 0; node->type == YAML_MAPPING_NODE && i < count(node); i++) {
		const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
		const char *text = text_of(node_at(yaml, pair->key));
		if (strlen(text) == size && memcmp(text, key, size) == 0)
			return node_at(yaml, pair->value);
	}
	return NULL;
}

static const yaml_node_t *find(const struct yaml *yaml, const char *path)
{
	const yaml_node_t *node = node_at(yaml, 1);
	while (node && *path) {
		size_t size = strcspn(path, ">");
		node = member(yaml, node, path, size);
		path += size + (path[size] == '>');
	}
	return node;
}

/* ---------------------------------------------------------------- by their names */

const char *yaml_value(const struct yaml *yaml, const char *path)
{
	const yaml_node_t *node = find(yaml, path);
	return node ? text_of(node) : NULL;
}

const char *yaml_key(const struct yaml *yaml, const char *path, size_t i)
{
	const yaml_node_t *node = find(yaml, path);
	if (!node || node->type != YAML_MAPPING_NODE || i >= count(node))
		return NULL;
	return text_of(node_at(yaml, node->data.mapping.pairs.start[i].key));
}

const char *yaml_item(const struct yaml *yaml, const char *path, size_t i)
{
	const yaml_node_t *node = find(yaml, path);
	if (!node || node->type != YAML_SEQUENCE_NODE || i >= count(node))
		return NULL;
	const yaml_node_t *item = node_at(yaml, node->data.sequence.items.start[i]);
	const yaml_node_t *reference = member(yaml, item, "$ref", strlen("$ref"));
	return text_of(reference ? reference : item);
}

bool yaml_has_item(const struct yaml *yaml, const char *path, const char *item)
{
	const char *found;
	for (size_t i = 0; (found = yaml_item(yaml, path, i)); i++)
		if (strcmp(found, item) == 0)
			return true;
	return false;
}

/* ---------------------------------------------------------------- beside JSON */

static bool scalar_is(const yaml_node_t *node, const cJSON *json)
{
	const char *text = text_of(node);
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	char *end;
	double number = strtod(text, &end);
	bool is_number = plain && strchr("-0123456789", *text) && end != text && *end == '\0';
	bool is_word = plain && (strcmp(text, "null") == 0 || strcmp(text, "true") == 0 ||
				 strcmp(text, "false") == 0 || *text == '\0');
	if (cJSON_IsNumber(json))
		return is_number && number == json->valuedouble;
	if (cJSON_IsString(json))
		return !is_number && !is_word && strcmp(text, json->valuestring) == 0;
	return is_word && strcmp(*text ? text : "null", cJSON_IsTrue(json)    ? "true"
							: cJSON_IsFalse(json) ? "false"
									      : "null") == 0;
}

static bool node_is(const struct yaml *yaml, const yaml_node_t *node, const cJSON *json)
{
	if (node->type == YAML_SCALAR_NODE)
		return !cJSON_IsObject(json) && !cJSON_IsArray(json) && scalar_is(node, json);
	if ((node->type == YAML_MAPPING_NODE) != cJSON_IsObject(json) ||
	    (node->type == YAML_SEQUENCE_NODE) != cJSON_IsArray(json) ||
	    count(node) != (size_t)cJSON_GetArraySize(json))
		return false;
	const cJSON *child = json->child;
	for (size_t i = 0; child; i++, child = child->next) {
		const yaml_node_t *value =
			child->string ? member(yaml, node, child->string, strlen(child->string))
				      : node_at(yaml, node->data.sequence.items.start[i]);
		if (!value || !node_is(yaml, value, child))
			return false;
	}
	return true;
}

bool yaml_is_json(const struct yaml *yaml, const cJSON *json)
{
	return node_is(yaml, node_at(yaml, 1), json);
}
