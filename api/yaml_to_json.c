/*
 * Writes the YAML document on standard input as JSON on standard output: how openapi.json is made
 * of openapi.yaml when the server is built. Aliases become copies of what they stand for. Plain
 * scalars are typed by YAML 1.2's core schema, all others are strings. What JSON can not say, or
 * what readers of YAML take in different ways, is an error with its line, and the status is 1.
 */
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#define MAX_DEPTH 64

static void put_node(yaml_document_t *document, int index, int depth);

__attribute__((noreturn)) static void refuse(const yaml_node_t *node, const char *why)
{
	fprintf(stderr, "line %zu: %s\n", node->start_mark.line + 1, why);
	exit(EXIT_FAILURE);
}

static yaml_node_t *node_at(yaml_document_t *document, int index)
{
	return yaml_document_get_node(document, index);
}

static const char *text_of(const yaml_node_t *scalar)
{
	return (const char *)scalar->data.scalar.value;
}

/* ---------------------------------------------------------------- scalars */

static void put_string(const yaml_node_t *scalar)
{
	const unsigned char *text = scalar->data.scalar.value;
	putchar('"');
	for (size_t i = 0; i < scalar->data.scalar.length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			printf("\\%c", text[i]);
		else if (text[i] == '\n')
			fputs("\\n", stdout);
		else if (text[i] < 0x20)
			printf("\\u%04x", text[i]);
		else
			putchar(text[i]);
	}
	putchar('"');
}

/* What plain scalars are: the first pattern that all of the text matches, or else a string. */
enum meaning { LITERAL, VERBATIM, WRONG };
static const struct {
	const char *pattern;
	enum meaning meaning;
	const char *words; /* the literal, or why it is wrong */
} schema[] = {
	{"^(null|Null|NULL|~|)$", LITERAL, "null"},
	{"^(true|True|TRUE)$", LITERAL, "true"},
	{"^(false|False|FALSE)$", LITERAL, "false"},
	{"^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?$", VERBATIM, NULL},
	{"^[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?$", WRONG,
	 "a number that is none in JSON; write it as JSON does, or quote it"},
	{"^(0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN))$", WRONG,
	 "a number that JSON has no form for; quote it"},
	{"^(y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$", WRONG,
	 "a boolean to readers of YAML 1.1, a string to those of 1.2; quote it"},
};

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
	bool found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static void put_scalar(const yaml_node_t *scalar)
{
	size_t i = 0, n = sizeof schema / sizeof *schema;
	if (scalar->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		i = n;
	while (i < n && !matches(text_of(scalar), schema[i].pattern))
		i++;
	if (i == n)
		put_string(scalar);
	else if (schema[i].meaning == WRONG)
		refuse(scalar, schema[i].words);
	else
		fputs(schema[i].meaning == LITERAL ? schema[i].words : text_of(scalar), stdout);
}

/* ---------------------------------------------------------------- collections */

static void check_key(yaml_document_t *document, const yaml_node_t *mapping,
		      const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = node_at(document, pair->key);
	if (key->type != YAML_SCALAR_NODE)
		refuse(key, "a key that is not a scalar");
	if (strcmp(text_of(key), "<<") == 0)
		refuse(key, "a merge key, which YAML 1.2 does not have");
	for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair;
	     other++)
		if (strcmp(text_of(node_at(document, other->key)), text_of(key)) == 0)
			refuse(key, "the mapping has this key already");
}

static void put_mapping(yaml_document_t *document, const yaml_node_t *mapping, int depth)
{
	const yaml_node_pair_t *first = mapping->data.mapping.pairs.start;
	putchar('{');
	for (const yaml_node_pair_t *pair = first; pair < mapping->data.mapping.pairs.top; pair++) {
		check_key(document, mapping, pair);
		if (pair != first)
			putchar(',');
		put_string(node_at(document, pair->key));
		putchar(':');
		put_node(document, pair->value, depth);
	}
	putchar('}');
}

static void put_sequence(yaml_document_t *document, const yaml_node_t *sequence, int depth)
{
	const yaml_node_item_t *first = sequence->data.sequence.items.start;
	putchar('[');
	for (const yaml_node_item_t *item = first; item < sequence->data.sequence.items.top;
	     item++) {
		if (item != first)
			putchar(',');
		put_node(document, *item, depth);
	}
	putchar(']');
}

static void put_node(yaml_document_t *document, int index, int depth)
{
	const yaml_node_t *node = node_at(document, index);
	if (depth > MAX_DEPTH)
		refuse(node, "nested too deep; an alias inside its own anchor?");
	if (node->type == YAML_MAPPING_NODE)
		put_mapping(document, node, depth + 1);
	else if (node->type == YAML_SEQUENCE_NODE)
		put_sequence(document, node, depth + 1);
	else
		put_scalar(node);
}

/* ---------------------------------------------------------------- */

int main(void)
{
	yaml_parser_t parser;
	yaml_document_t document;
	if (!yaml_parser_initialize(&parser))
		return EXIT_FAILURE;
	yaml_parser_set_input_file(&parser, stdin);
	if (!yaml_parser_load(&parser, &document)) {
		fprintf(stderr, "line %zu: %s\n", parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "not YAML");
		return EXIT_FAILURE;
	}
	if (!yaml_document_get_root_node(&document)) {
		fputs("line 1: there is no document\n", stderr);
		return EXIT_FAILURE;
	}
	put_node(&document, 1, 0);
	putchar('\n');
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
