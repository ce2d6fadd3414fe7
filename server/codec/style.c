#include "style.h"

#include <stdio.h>
#include <string.h>

const struct style_info style_arguments[N_STYLE_ARGUMENTS] = {
	[STYLE_NON_FINITE] = {"non_finite",
			      "how NaN and infinities are written in JSON",
			      {"string", "null", "python"}},
	[STYLE_TENSORS] = {"tensors",
			   "how tensors of one dimension and more are written in JSON",
			   {"numbers", "base64"}},
};

size_t style_find(const char *name, size_t n)
{
	size_t i = 0;
	while (i < N_STYLE_ARGUMENTS && (strlen(style_arguments[i].name) != n ||
					 memcmp(style_arguments[i].name, name, n) != 0))
		i++;
	return i;
}

/* "a", "b" or "c" */
static void list_words(const struct style_info *info, char *out, size_t size)
{
	size_t used = 0;
	for (const char *const *word = info->words; *word && used < size; word++) {
		const char *before = word == info->words ? "" : word[1] ? ", " : " or ";
		used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", before, *word);
	}
}

loss_status style_set(struct style *style, size_t argument, const struct loss_value *value,
		      struct loss_error *err)
{
	const struct style_info *info = &style_arguments[argument];
	bool text = value->type == LOSS_VALUE_STRING;
	char words[96];
	if (style->given >> argument & 1)
		return loss_fail(err, LOSS_DUPLICATE_FIELD, info->name,
				 "%s is given twice; give it once", info->name);
	if (value->type == LOSS_VALUE_NULL)
		return LOSS_OK;
	style->given |= 1u << argument;
	for (int i = 0; text && info->words[i]; i++) {
		if (strcmp(info->words[i], value->text) != 0)
			continue;
		style->chosen[argument] = i;
		return LOSS_OK;
	}
	list_words(info, words, sizeof words);
	const char *quote = text ? "\"" : "";
	return loss_fail(err, text ? LOSS_ARGUMENT_OUT_OF_RANGE : LOSS_WRONG_TYPE, info->name,
			 "%s is %s%.60s%s, but must be %s", info->name, quote, value->text, quote,
			 words);
}
