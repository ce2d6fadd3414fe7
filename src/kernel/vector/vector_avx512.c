/* Built with the flags of this instruction set: see the Makefile. */
#include "vector_template.h"
