/* The templates that follow are about logits held as floats. */
#undef NUMBER
#undef FIELD
#undef NVEC
#undef NV
#undef OF
#undef OFFSET
#undef HEADROOM
#undef RANGE
#undef MAGIC
#undef IS_WIDE
#define NUMBER float
#define FIELD f /* of union numbers */
#define NVEC vf
#define NV(name) vf_##name
#define OF(name) name##_of_floats
#define IS_WIDE 0
/* Exponentials are made 2^OFFSET too large; logits may be HEADROOM above the reference, and are
 * replaced RANGE below it. */
#define OFFSET 60.0f
#define HEADROOM 40.0f
#define RANGE 128.0f
#define MAGIC 0x1.8p23f
#undef UNIT
#define UNIT 0x1p60 /* 2^OFFSET */
