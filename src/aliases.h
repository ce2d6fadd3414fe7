/* What other libraries call what the losses have: names that people really write. */
#ifndef LOSS_ALIASES_H
#define LOSS_ALIASES_H

#include "loss.h"

enum alias_of {
	ALIAS_ROLE,     /* the tensor of that role */
	ALIAS_TENSOR,   /* the tensor of that name */
	ALIAS_CLASSES,  /* the weight, where it is a factor for each class */
	ALIAS_ARGUMENT, /* the argument of that name */
	ALIAS_OUTPUT,   /* the output of that name */
	ALIAS_OWN,      /* the caller's own name */
	ALIAS_NOTHING,  /* of no loss: `right` is what to tell */
};

/* A loss that has no such thing has no such alias. */
struct alias {
	const char *name;
	enum alias_of of;
	loss_role role;
	const char *right; /* of all but tensors */
};

/* One name may have several rows: the first that fits a place is meant. Ends with name NULL. */
extern const struct alias aliases[];

/* What other libraries call losses; some of `right` may be losses that are not in the table. */
struct loss_alias {
	const char *name, *right;
};
extern const struct loss_alias loss_aliases[];

#endif
