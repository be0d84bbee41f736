// Scaling by torch's antialiased bilinear filter on bytes, first along rows and then along columns
// (pytorch:aten/src/ATen/native/cpu/UpSampleKernelAVXAntialias.h), 16 pixels at once.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "bytes.hpp"

// Which inputs an output is made of, and by what weights (pytorch:aten/src/ATen/native/cpu/UpSampleKernel.cpp,
// HelperInterpBase::_compute_indices_int16_weights_aa). Every output takes an even number, the same, some of them
// 0 times: of narrow inputs perhaps one that is not there.
class Filter {
  public:
    Filter(int inputs, int outputs) : first(outputs) {
        const double scale = double(inputs) / outputs, support = std::max(scale, 1.0);
        const auto centre = [=](int i) { return scale * (i + 0.5); };
        std::vector<int> count(outputs);
        for (int i = 0; i < outputs; i++) {
            first[i] = std::max(int64_t(centre(i) - support + 0.5), int64_t(0));
            count[i] = std::min(int64_t(centre(i) + support + 0.5), int64_t(inputs)) - first[i];
            taps = std::max(taps, (count[i] + 1) / 2 * 2);
        }
        std::vector<double> exact(outputs * taps);
        double largest = 0;
        for (int i = 0; i < outputs; i++) {
            const int shift = std::clamp(first[i] + taps - inputs, 0, first[i]);
            double *weight = &exact[i * taps + shift], total = 0;
            for (int j = 0; j < count[i]; j++) {
                const double distance = (j + first[i] - centre(i) + 0.5) * (1 / support);
                total += weight[j] = std::max(1 - std::abs(distance), 0.0);
            }
            for (int j = 0; j < count[i]; j++) largest = std::max(largest, weight[j] /= total);
            first[i] -= shift;
        }
        while (bits < 22 && int(0.5 + largest * (1 << (bits + 1))) < 1 << 15) bits++;
        weights.resize(outputs * taps);
        for (int i = 0; i < outputs * taps; i++) weights[i] = int(0.5 + exact[i] * (1 << bits));
    }

    // 16 values of output i, from those of inputs that lie `stride` apart.
    __m128i apply(int i, const uint8_t* inputs, int64_t stride) const {
        const int16_t* weight = &weights[i * taps];
        const uint8_t* input = inputs + first[i] * stride;
        __m256i left = _mm256_set1_epi32(1 << (bits - 1)), right = left;
        for (int j = 0; j < taps; j += 2, input += 2 * stride) {
            int both;
            std::memcpy(&both, weight + j, sizeof both);
            const __m128i one = bytes(input), next = bytes(input + stride);
            const __m256i times = _mm256_set1_epi32(both);
            left = _mm256_add_epi32(left, products(_mm_unpacklo_epi8(one, next), times));
            right = _mm256_add_epi32(right, products(_mm_unpackhi_epi8(one, next), times));
        }
        const __m128i places = _mm_cvtsi32_si128(bits);
        const __m256i words = _mm256_packs_epi32(_mm256_sra_epi32(left, places), _mm256_sra_epi32(right, places));
        return as_bytes(_mm256_permute4x64_epi64(words, 0b11011000));
    }

  private:
    static __m256i products(__m128i pairs, __m256i weights) {
        return _mm256_madd_epi16(_mm256_cvtepu8_epi16(pairs), weights);
    }

    int taps = 0, bits = 0;  // of an output; behind the point of a weight
    std::vector<int> first;
    std::vector<int16_t> weights;
};

// Rows of a square of 16 x 16 bytes become its columns.
__attribute__((always_inline)) inline void transpose(__m128i* v) {
#pragma GCC unroll 4
    for (int round = 0; round < 4; round++) {
        __m128i t[16];
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            t[2 * i] = _mm_unpacklo_epi8(v[i], v[i + 8]);
            t[2 * i + 1] = _mm_unpackhi_epi8(v[i], v[i + 8]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) v[i] = t[i];
    }
}

// 16 pixels, colour beside colour.
inline void interleave(__m128i red, __m128i green, __m128i blue, uint8_t* out) {
    for (int third = 0; third < 3; third++) {
        alignas(16) int8_t places[3][16];
        for (int i = 0; i < 16; i++)
            for (int colour = 0; colour < 3; colour++) {
                const int at = 16 * third + i;
                places[colour][i] = at % 3 == colour ? at / 3 : -1;
            }
        const auto moved = [&](__m128i from, int colour) {
            return _mm_shuffle_epi8(from, *reinterpret_cast<const __m128i*>(places[colour]));
        };
        keep(out + 16 * third, _mm_or_si128(moved(red, 0), _mm_or_si128(moved(green, 1), moved(blue, 2))));
    }
}

inline int padded(int count) { return (count + 15) / 16 * 16; }
