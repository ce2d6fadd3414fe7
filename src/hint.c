/* What to say of a name that is none: what it should have been, or what there is. */
#include <stdio.h>
#include <string.h>

#include "aliases.h"
#include "names.h"

/* Longer names have no nearest one, and no name of ours is longer. */
#define LONGEST 40

static char folded(char c)
{
	bool separates = c == '-' || c == ' ' || c == '.';
	return separates ? '_' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether they are the same but for case and separators. */
static bool alike(const char *known, const char *name, size_t n)
{
	size_t i = 0;
	for (;; known++, i++) {
		while (i < n && folded(name[i]) == '_')
			i++;
		while (*known == '_')
			known++;
		if (*known == '\0' || i == n)
			return *known == '\0' && i == n;
		if (folded(*known) != folded(name[i]))
			return false;
	}
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Levenshtein's distance, one row of the table at a time. */
size_t names_distance(const char *a, size_t a_length, const char *b)
{
	size_t row[LONGEST + 1];
	size_t b_length = strlen(b);
	a_length = a_length > LONGEST ? LONGEST : a_length;
	b_length = b_length > LONGEST ? LONGEST : b_length;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t substitute = diagonal + (folded(a[i - 1]) != folded(b[j - 1]));
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, substitute);
		}
	}
	return row[b_length];
}

/* ---------------------------------------------------------------- what a name is of */

/* A tensor, argument or output of a loss; kind 0: nothing. */
struct thing {
	unsigned kind;
	const char *name, *help;
};

static size_t count(const struct loss_info *loss, unsigned kind)
{
	return kind == LOSS_NAME_TENSOR     ? loss->n_tensors
	       : kind == LOSS_NAME_ARGUMENT ? loss->n_arguments
					    : loss->n_outputs;
}

static struct thing thing_at(const struct loss_info *loss, unsigned kind, size_t i)
{
	if (kind == LOSS_NAME_TENSOR)
		return (struct thing){kind, loss->tensors[i].name, loss->tensors[i].help};
	if (kind == LOSS_NAME_ARGUMENT)
		return (struct thing){kind, loss->arguments[i]->name, loss->arguments[i]->help};
	return (struct thing){kind, loss->outputs[i]->name, loss->outputs[i]->help};
}

static struct thing find(const struct loss_info *loss, unsigned kinds, const char *name, size_t n)
{
	for (unsigned kind = LOSS_NAME_TENSOR; kind <= LOSS_NAME_OUTPUT; kind *= 2)
		for (size_t i = 0; (kinds & kind) && i < count(loss, kind); i++)
			if (names_equal(thing_at(loss, kind, i).name, name, n))
				return thing_at(loss, kind, i);
	return (struct thing){0};
}

static struct thing tensor_of_role(const struct loss_info *loss, loss_role role)
{
	const struct loss_tensor_info *tensor = names_tensor_of_role(loss, role);
	return tensor ? (struct thing){LOSS_NAME_TENSOR, tensor->name, tensor->help}
		      : (struct thing){0};
}

/* What the alias means for the loss. */
static struct thing resolve(const struct loss_info *loss, const struct alias *alias)
{
	const struct loss_tensor_info *tensor = names_tensor_of_role(loss, alias->role);
	switch (alias->of) {
	case ALIAS_TENSOR:
		return find(loss, LOSS_NAME_TENSOR, alias->right, strlen(alias->right));
	case ALIAS_ARGUMENT:
		return find(loss, LOSS_NAME_ARGUMENT, alias->right, strlen(alias->right));
	case ALIAS_OUTPUT:
		return find(loss, LOSS_NAME_OUTPUT, alias->right, strlen(alias->right));
	case ALIAS_CLASSES:
		if (!tensor || tensor->extent != LOSS_EXTENT_CLASSES)
			return (struct thing){0};
		break;
	case ALIAS_ROLE:
		break;
	case ALIAS_OWN:
	case ALIAS_NOTHING:
		return (struct thing){0};
	}
	return tensor_of_role(loss, alias->role);
}

/* What another loss calls so: its "logits" are this one's "log_probs". */
static struct thing namesake(const struct loss_info *loss, const char *name, size_t n)
{
	const struct loss_info *other;
	for (size_t i = 0; (other = loss_at(i)) != NULL; i++) {
		int found = loss_find_tensor(other, name, n);
		if (found < 0 || other->tensors[found].role >= LOSS_ROLE_OWN_1)
			continue;
		struct thing thing = tensor_of_role(loss, other->tensors[found].role);
		if (thing.kind)
			return thing;
	}
	return (struct thing){0};
}

/* Of several things that a name may be an alias of, one that may stand in the place goes first. */
static struct thing meant(const struct loss_info *loss, unsigned kinds, const char *name, size_t n)
{
	struct thing best = {0};
	for (const struct alias *alias = aliases; alias->name; alias++) {
		struct thing thing = {0};
		if (alike(alias->name, name, n))
			thing = resolve(loss, alias);
		if (thing.kind & kinds)
			return thing;
		if (!best.kind)
			best = thing;
	}
	if (best.kind)
		return best;
	return namesake(loss, name, n);
}

/* ---------------------------------------------------------------- all names of a place */

/* The i-th name that may stand in a place; NULL past the last one. */
static const char *name_at(const struct loss_place *place, size_t i)
{
	for (unsigned kind = LOSS_NAME_TENSOR; kind <= LOSS_NAME_OUTPUT; kind *= 2) {
		size_t n = place->kinds & kind ? count(place->loss, kind) : 0;
		if (i < n)
			return thing_at(place->loss, kind, i).name;
		i -= n;
	}
	return i < place->n_names ? place->names[i] : NULL;
}

/* Less than `least`, or `least`. */
static size_t distance_below(size_t least, const char *candidate, const char *name, size_t n)
{
	size_t length = strlen(candidate), longer = n > length ? n - length : length - n;
	if (alike(candidate, name, n))
		return 0;
	size_t distance = longer < least ? names_distance(name, n, candidate) : least;
	return distance < least ? distance : least;
}

static const char *nearest(const struct loss_place *place, const char *name, size_t n)
{
	const char *best = NULL, *candidate;
	size_t least = n <= LONGEST ? n / 3 + 1 : 0; /* what is as far is too far */
	for (size_t i = 0; (candidate = name_at(place, i)) != NULL; i++) {
		size_t distance = distance_below(least, candidate, name, n);
		if (distance == least)
			continue;
		least = distance;
		best = candidate;
	}
	return best;
}

/* ---------------------------------------------------------------- phrases */

struct phrase {
	char *out;
	size_t size, used;
};

/* All of it or nothing; false: nothing. */
static bool add(struct phrase *phrase, const char *before, const char *text)
{
	size_t n = strlen(before), m = strlen(text);
	if (phrase->used + n + m >= phrase->size)
		return false;
	memcpy(phrase->out + phrase->used, before, n);
	memcpy(phrase->out + phrase->used + n, text, m + 1);
	phrase->used += n + m;
	return true;
}

#define AND_MORE " and more"

/* "there are a, b and c" */
static void list(struct phrase *phrase, const struct loss_place *place)
{
	const char *dashes = place->options ? "--" : "", *name = name_at(place, 0);
	bool fits = add(phrase, "there are ", dashes);
	phrase->size -= sizeof AND_MORE;
	for (size_t i = 0; fits && name; i++) {
		const char *next = name_at(place, i + 1);
		char between[8];
		snprintf(between, sizeof between, "%s%s", next ? ", " : " and ", dashes);
		fits = add(phrase, i == 0 ? "" : between, name);
		name = next;
	}
	phrase->size += sizeof AND_MORE;
	if (!fits)
		add(phrase, AND_MORE, "");
}

/* The first sentence of a help, or its part before a semicolon, without a capital. */
static int help_chars(const char *help)
{
	const char *end = strstr(help, ". ");
	size_t n = end ? (size_t)(end - help) : strlen(help);
	size_t clause = strcspn(help, ";");
	n = clause < n ? clause : n;
	return (int)(n > 0 && help[n - 1] == '.' ? n - 1 : n);
}

static char uncapital(const char *help)
{
	bool word = help[1] >= 'a' && help[1] <= 'z';
	return word || help[1] == ' ' ? folded(help[0]) : help[0];
}

static void show_name(const struct loss_place *place, const char *name, char out[LONGEST + 8])
{
	snprintf(out, LONGEST + 8, place->options ? "--%.40s" : "\"%.40s\"", name);
}

static void show_thing(const struct loss_place *place, struct thing thing, char *out, size_t size)
{
	char shown[LONGEST + 8];
	show_name(place, thing.name, shown);
	snprintf(out, size, "use %s: %c%.*s", shown, uncapital(thing.help),
		 help_chars(thing.help) - 1, thing.help + 1);
}

/* Of something that stands elsewhere; `called` where that is not its name. */
static void show_elsewhere(const struct loss_place *place, struct thing thing, bool called,
			   char *out, size_t size)
{
	char shown[LONGEST + 8] = "";
	bool tensor = thing.kind == LOSS_NAME_TENSOR, argument = thing.kind == LOSS_NAME_ARGUMENT;
	if (called)
		show_name(&(struct loss_place){0}, thing.name, shown);
	snprintf(out, size, "it is %s%s%s%s: %s", called ? "called " : "", shown,
		 called ? ", " : "",
		 tensor     ? "a tensor"
		 : argument ? "an argument"
			    : "an output",
		 tensor     ? place->to_tensors
		 : argument ? place->to_arguments
			    : place->to_outputs);
}

/* ---------------------------------------------------------------- hints */

/* Whether a name of the loss is meant. */
static bool hint_thing(const struct loss_place *place, const char *name, size_t n, char *out,
		       size_t size)
{
	const struct loss_info *loss = place->loss;
	if (!loss)
		return false;
	struct thing thing = find(loss, ~place->kinds, name, n);
	bool called = !thing.kind;
	if (called)
		thing = meant(loss, place->kinds, name, n);
	/* z_loss is both an argument and an output: what may stand here is meant. */
	if (thing.kind && find(loss, place->kinds, thing.name, strlen(thing.name)).kind)
		thing = find(loss, place->kinds, thing.name, strlen(thing.name));
	/* Nobody who asks for an output means a tensor by another name. */
	if (called && place->kinds == LOSS_NAME_OUTPUT && thing.kind != LOSS_NAME_OUTPUT)
		return false;
	if (thing.kind & place->kinds)
		show_thing(place, thing, out, size);
	else if (thing.kind)
		show_elsewhere(place, thing, called, out, size);
	return thing.kind != 0;
}

static bool hint_word(const struct loss_place *place, const char *name, size_t n, char *out,
		      size_t size)
{
	for (size_t i = 0; i < place->n_words; i++)
		if (names_equal(place->words[i].name, name, n)) {
			snprintf(out, size, "%s", place->words[i].advice);
			return true;
		}
	return false;
}

/* Whether it is a name of the caller's own, or of what no loss has, that other libraries have. */
static bool hint_other(const struct loss_place *place, const char *name, size_t n, char *out,
		       size_t size)
{
	for (const struct alias *alias = aliases; place->loss && alias->name; alias++) {
		if (alias->of < ALIAS_OWN || !alike(alias->name, name, n))
			continue;
		for (size_t i = 0; alias->of == ALIAS_OWN && i < place->n_names; i++)
			if (strcmp(place->names[i], alias->right) == 0) {
				snprintf(out, size, "use \"%s\"", alias->right);
				return true;
			}
		if (alias->of == ALIAS_NOTHING) {
			snprintf(out, size, "%s", alias->right);
			return true;
		}
	}
	return false;
}

/* Whether the name is known to mean something: then nothing else is meant by it. */
static bool is_meant(const char *name, size_t n)
{
	const struct loss_info *loss;
	for (const struct alias *alias = aliases; alias->name; alias++)
		if (alike(alias->name, name, n))
			return true;
	for (size_t i = 0; (loss = loss_at(i)) != NULL; i++)
		if (find(loss, ~0u, name, n).kind)
			return true;
	return false;
}

/* The nearest name that may stand in the place, or the list of all. */
static void hint_nearest(const struct loss_place *place, const char *name, size_t n, char *out,
			 size_t size)
{
	bool meant_else = place->loss && is_meant(name, n);
	const char *near = meant_else ? NULL : nearest(place, name, n);
	char shown[LONGEST + 8];
	if (near) {
		show_name(place, near, shown);
		snprintf(out, size, "the nearest is %s", shown);
	} else {
		list(&(struct phrase){out, size, 0}, place);
	}
}

/* Whether it is but a letter away from a name of the caller's own: "input" from "inputs". */
static bool hint_slip(const struct loss_place *place, const char *name, size_t n, char *out,
		      size_t size)
{
	char shown[LONGEST + 8];
	for (size_t i = 0; n >= 3 && i < place->n_names; i++) {
		if (distance_below(2, place->names[i], name, n) == 2)
			continue;
		show_name(place, place->names[i], shown);
		snprintf(out, size, "the nearest is %s", shown);
		return true;
	}
	return false;
}

void loss_hint_name(const struct loss_place *place, const char *name, size_t n, char *out,
		    size_t size)
{
	if (!hint_word(place, name, n, out, size) && !hint_slip(place, name, n, out, size) &&
	    !hint_thing(place, name, n, out, size) && !hint_other(place, name, n, out, size))
		hint_nearest(place, name, n, out, size);
}

const char *loss_nearest(const char *const *names, size_t n_names, const char *name, size_t n)
{
	const struct loss_place place = {.names = names, .n_names = n_names};
	return nearest(&place, name, n);
}

/* ---------------------------------------------------------------- losses */

#define MOST_LOSSES 64 /* in a list */

/* What stands after the last dot; all of what ends with one. */
static const char *last_part(const char *name, size_t *n)
{
	size_t start = *n;
	while (start > 0 && name[start - 1] != '.')
		start--;
	if (start < *n)
		*n -= start;
	else
		start = 0;
	return name + start;
}

static const char *loss_called(const char *name, size_t n)
{
	for (size_t i = 0; loss_at(i); i++)
		if (alike(loss_at(i)->name, name, n))
			return loss_at(i)->name;
	for (const struct loss_alias *alias = loss_aliases; alias->name; alias++)
		if (alike(alias->name, name, n) && loss_find(alias->right, strlen(alias->right)))
			return alias->right;
	return NULL;
}

/* Whether it is another library's loss, which is not in the table. */
static bool is_another_loss(const char *name, size_t n)
{
	for (const struct loss_alias *alias = loss_aliases; alias->name; alias++)
		if (alike(alias->name, name, n) || alike(alias->right, name, n))
			return true;
	return false;
}

void loss_hint_loss(const char *name, size_t n, char *out, size_t size)
{
	const char *names[MOST_LOSSES];
	size_t n_names = 0;
	name = last_part(name, &n);
	const char *called = loss_called(name, n);
	if (called) {
		snprintf(out, size, "it is called \"%s\" here", called);
		return;
	}
	while (n_names < MOST_LOSSES && loss_at(n_names)) {
		names[n_names] = loss_at(n_names)->name;
		n_names++;
	}
	const struct loss_place place = {.names = names, .n_names = n_names};
	if (is_another_loss(name, n))
		list(&(struct phrase){out, size, 0}, &place);
	else
		hint_nearest(&place, name, n, out, size);
}
