/*
 * The table of settings, and what one value of it may look like. Only the config files include
 * this; everybody else reads struct config.
 */
#ifndef LOSSD_SETTINGS_H
#define LOSSD_SETTINGS_H

#include "config.h"

#define SETTINGS_MAX 64      /* room for marks, one a setting */
#define SETTING_NAME_SIZE 64 /* of its flag or variable, terminated */

enum setting_type {
	SETTING_LISTEN,  /* a list of address.h; the field is a char array, as that of texts;
			  * every other one is a uint64_t */
	SETTING_INTEGER, /* a whole number */
	SETTING_BYTES,   /* a whole number, or one with KiB, MiB or GiB after it */
	SETTING_CHOICE,  /* a word of a list; the field holds its index */
	SETTING_TEXT,    /* whatever is_good takes; the field is a char array of `size` bytes */
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset;               /* of its field in struct config */
	const char *fallback;        /* the default, as one would write it */
	uint64_t min, max;           /* of numbers */
	const char *const *choices;  /* of SETTING_CHOICE, NULL at the end */
	uint64_t (*automatic)(void); /* what "auto" stands for; NULL: not a value of this key */
	bool (*usable)(const char *word); /* whether a word of the list can be had; NULL: all can */
	size_t size;                      /* of a text's field */
	bool (*is_good)(const char *text);
	const char *form; /* of a text, for people: "none, or ..." */
	/* Of a text that is a list, and in a file also an array of strings: what an empty one
	 * stands for. NULL: it is no list. */
	const char *empty;
	const char *help;
};

extern const struct setting settings[];
extern const size_t n_settings;

/* NULL when there is none of that name, which is matched with case. */
const struct setting *setting_find(const char *key);
/* The one whose name is nearest to a mistyped one; NULL when none is near. */
const struct setting *setting_nearest(const char *key);
/* The name of its environment variable: "LOSSD_LOG_LEVEL" of "log_level". */
void setting_variable(const char *key, char out[SETTING_NAME_SIZE]);
/* Sets the field from text and returns true, or says on standard error what is wrong with it where.
 */
bool setting_set(const struct setting *setting, const char *text, const char *source,
		 struct config *config);
/* Whether its values are true and false, which a file writes without quotes. */
bool setting_is_boolean(const struct setting *setting);
/* What its values may be, for people: "a whole number from 1 to 1024, or auto". */
void setting_describe(const struct setting *setting, char *out, size_t size);
/* A number of bytes as one would write it: "36KiB". */
void setting_format_bytes(uint64_t bytes, char *out, size_t size);
/* Replaces "auto" by what it stands for. */
void settings_resolve(struct config *config);
/* The text in its field, where it has one; NULL where that is a number. */
const char *setting_text(const struct setting *setting, const struct config *config);
/* The number in its field, where it has one. */
uint64_t setting_number(const struct setting *setting, const struct config *config);

#endif
