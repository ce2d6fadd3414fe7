#include "yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 24
#define MAX_PATH_BYTES 256
#define ITEM "-" /* the key of every list item */

struct entry {
	char *parent; /* the path of the node that it stands in */
	char *key;
	char *value;
};

struct yaml {
	struct entry *entries;
	size_t n, capacity;
};

/* Where the reader stands: the open nodes, outermost first. */
struct reader {
	struct yaml *yaml;
	size_t depth;
	size_t indents[MAX_DEPTH];
	char keys[MAX_DEPTH][MAX_PATH_BYTES];
	bool in_text; /* inside a block text, whose lines are deeper than text_indent */
	size_t text_indent;
};

static char *duplicate(const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		abort();
	return copy;
}

static void add(struct yaml *yaml, const char *parent, const char *key, const char *value)
{
	if (yaml->n == yaml->capacity) {
		yaml->capacity = yaml->capacity ? 2 * yaml->capacity : 1024;
		yaml->entries = realloc(yaml->entries, yaml->capacity * sizeof *yaml->entries);
		if (!yaml->entries)
			abort();
	}
	yaml->entries[yaml->n++] =
		(struct entry){duplicate(parent), duplicate(key), duplicate(value)};
}

/* Takes the quotes off in place. */
static char *unquote(char *text)
{
	size_t n = strlen(text);
	bool quoted = n >= 2 && (*text == '\'' || *text == '"') && text[n - 1] == *text;
	if (quoted)
		text[n - 1] = '\0';
	return quoted ? text + 1 : text;
}

/* "[a, b]" as the items of `parent`. */
static void add_inline_items(struct yaml *yaml, const char *parent, char *list)
{
	char *rest = NULL;
	for (char *item = strtok_r(list, "[], ", &rest); item; item = strtok_r(NULL, "[], ", &rest))
		add(yaml, parent, ITEM, unquote(item));
}

static void open_path(const struct reader *reader, char *out)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < reader->depth && used < MAX_PATH_BYTES; i++)
		used += (size_t)snprintf(out + used, MAX_PATH_BYTES - used, "%s%s", i ? ">" : "",
					 reader->keys[i]);
}

/* "key: value", where the key may be quoted; the value is "" when there is none. False for no
 * mapping. */
static bool split(char *line, char **key, char **value)
{
	size_t n = strlen(line);
	char *colon = strstr(line, ": ");
	if (!colon && n && line[n - 1] == ':')
		colon = line + n - 1;
	if (!colon)
		return false;
	*colon = '\0';
	*key = unquote(line);
	*value = colon[1] ? colon + 1 + strspn(colon + 1, " ") : colon + 1;
	return true;
}

static void open_node(struct reader *reader, size_t indent, const char *key)
{
	if (reader->depth == MAX_DEPTH || strlen(key) >= MAX_PATH_BYTES)
		abort(); /* the document has outgrown this reader */
	reader->indents[reader->depth] = indent;
	strcpy(reader->keys[reader->depth++], key);
}

static void read_mapping(struct reader *reader, size_t indent, char *line)
{
	char parent[MAX_PATH_BYTES], node[MAX_PATH_BYTES];
	char *key, *value;
	open_path(reader, parent);
	if (!split(line, &key, &value))
		return;
	open_node(reader, indent, key);
	open_path(reader, node);
	reader->in_text = strcmp(value, "|") == 0;
	reader->text_indent = indent;
	if (value[0] == '[') {
		add(reader->yaml, parent, key, "");
		add_inline_items(reader->yaml, node, value);
	} else {
		add(reader->yaml, parent, key, unquote(value));
	}
}

static void read_line(struct reader *reader, char *line)
{
	size_t indent = strspn(line, " ");
	char *text = line + indent;
	text[strcspn(text, "\n")] = '\0';
	if (!*text || *text == '#' || (reader->in_text && indent > reader->text_indent))
		return;
	reader->in_text = false;
	while (reader->depth && reader->indents[reader->depth - 1] >= indent)
		reader->depth--;
	if (strncmp(text, "- ", 2) == 0) {
		char parent[MAX_PATH_BYTES];
		open_path(reader, parent);
		add(reader->yaml, parent, ITEM, unquote(text + 2));
	} else {
		read_mapping(reader, indent, text);
	}
}

struct yaml *yaml_load(const char *file)
{
	FILE *in = fopen(file, "r");
	if (!in) {
		perror(file);
		return NULL;
	}
	struct yaml *yaml = calloc(1, sizeof *yaml);
	struct reader *reader = calloc(1, sizeof *reader);
	if (!yaml || !reader)
		abort();
	reader->yaml = yaml;
	char *line = NULL;
	size_t capacity = 0;
	while (getline(&line, &capacity, in) >= 0)
		read_line(reader, line);
	free(line);
	free(reader);
	fclose(in);
	return yaml;
}

void yaml_free(struct yaml *yaml)
{
	if (!yaml)
		return;
	for (size_t i = 0; i < yaml->n; i++) {
		free(yaml->entries[i].parent);
		free(yaml->entries[i].key);
		free(yaml->entries[i].value);
	}
	free(yaml->entries);
	free(yaml);
}

const char *yaml_value(const struct yaml *yaml, const char *path)
{
	const char *last = strrchr(path, '>');
	size_t parent_length = last ? (size_t)(last - path) : 0;
	const char *key = last ? last + 1 : path;
	for (size_t i = 0; i < yaml->n; i++) {
		const struct entry *entry = &yaml->entries[i];
		if (strcmp(entry->key, key) == 0 && strlen(entry->parent) == parent_length &&
		    strncmp(entry->parent, path, parent_length) == 0)
			return entry->value;
	}
	return NULL;
}

/* The i-th entry below a node that is (or is not) a list item. */
static const struct entry *child(const struct yaml *yaml, const char *path, bool item, size_t i)
{
	for (size_t e = 0; e < yaml->n; e++) {
		const struct entry *entry = &yaml->entries[e];
		bool is_item = strcmp(entry->key, ITEM) == 0;
		if (is_item == item && strcmp(entry->parent, path) == 0 && i-- == 0)
			return entry;
	}
	return NULL;
}

const char *yaml_key(const struct yaml *yaml, const char *path, size_t i)
{
	const struct entry *entry = child(yaml, path, false, i);
	return entry ? entry->key : NULL;
}

const char *yaml_item(const struct yaml *yaml, const char *path, size_t i)
{
	const struct entry *entry = child(yaml, path, true, i);
	return entry ? entry->value : NULL;
}

bool yaml_has_item(const struct yaml *yaml, const char *path, const char *item)
{
	const char *found;
	for (size_t i = 0; (found = yaml_item(yaml, path, i)); i++)
		if (strcmp(found, item) == 0)
			return true;
	return false;
}
