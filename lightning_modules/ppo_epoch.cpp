// One epoch of PPO's updates, by hand: the gradient of lightning_modules/ppo.py:PPO.loss, clipping and Adam.
//
// On networks this small torch's calls cost more than the arithmetic, so all of it stands here, in one call an epoch.
// The sizes OBSERVATIONS, ACTIONS, WIDTH and BATCH and the settings CLIP, VALUE_WEIGHT and LARGEST_GRADIENT are defined
// before this text is compiled (lightning_modules/ppo_epoch.py). Matrices are row by row.

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numeric>

namespace {

constexpr int LANES = std::gcd(WIDTH, 16);
constexpr int FEATURES = OBSERVATIONS + ACTIONS + 3;  // of a row: also old log probability, advantage and return
#ifdef __AVX512F__
constexpr int REGISTERS = 4;
#else
constexpr int REGISTERS = 1;  // 16 lanes are several of the processor's own
#endif
constexpr int COLUMNS = std::gcd(WIDTH / LANES, REGISTERS);

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

// Where the weights stand in their vector: the order of ActorCritic.named_parameters().
constexpr int FIRST = 0;  // [2, OBSERVATIONS, WIDTH], the policy's and the value function's
constexpr int FIRST_BIAS = FIRST + 2 * OBSERVATIONS * WIDTH;
constexpr int SECOND = FIRST_BIAS + 2 * WIDTH;  // [2, WIDTH, WIDTH]
constexpr int SECOND_BIAS = SECOND + 2 * WIDTH * WIDTH;
constexpr int LOG_DEVIATION = SECOND_BIAS + 2 * WIDTH;
constexpr int ACTION = LOG_DEVIATION + ACTIONS;  // [ACTIONS, WIDTH]
constexpr int ACTION_BIAS = ACTION + ACTIONS * WIDTH;
constexpr int VALUE = ACTION_BIAS + ACTIONS;  // [1, WIDTH]
constexpr int VALUE_BIAS = VALUE + WIDTH;
constexpr int SIZE = VALUE_BIAS + 1;

Lanes& lanes(float* values) { return *reinterpret_cast<Lanes*>(values); }
const Lanes& lanes(const float* values) { return *reinterpret_cast<const Lanes*>(values); }

// ROWS rows and COLUMNS * LANES columns of a product, summed in registers.
template <int ROWS, int K>
void tile(const float* a, int64_t along_m, int64_t along_k, const float* b, const float* bias, float* c) {
    Lanes sums[ROWS][COLUMNS];
    for (int m = 0; m < ROWS; m++)
        for (int n = 0; n < COLUMNS; n++) sums[m][n] = bias ? lanes(bias + n * LANES) : Lanes{};
    for (int k = 0; k < K; k++)
#pragma GCC unroll 8
        for (int m = 0; m < ROWS; m++)
#pragma GCC unroll 8
            for (int n = 0; n < COLUMNS; n++)
                sums[m][n] += a[m * along_m + k * along_k] * lanes(b + k * WIDTH + n * LANES);
    for (int m = 0; m < ROWS; m++)
        for (int n = 0; n < COLUMNS; n++) lanes(c + m * WIDTH + n * LANES) = sums[m][n];
}

// c [M, WIDTH] = a [M, K] b [K, WIDTH] + bias [WIDTH]; a may lie in any order, bias may be missing.
template <int M, int K>
void multiply(const float* a, int64_t along_m, int64_t along_k, const float* b, const float* bias, float* c) {
    for (int n = 0; n < WIDTH; n += COLUMNS * LANES) {
        const float* start = bias ? bias + n : nullptr;
        for (int m = 0; m < M / 4 * 4; m += 4)
            tile<4, K>(a + m * along_m, along_m, along_k, b + n, start, c + m * WIDTH + n);
        for (int m = M / 4 * 4; m < M; m++)
            tile<1, K>(a + m * along_m, along_m, along_k, b + n, start, c + m * WIDTH + n);
    }
}

void sum_rows(const float* values, float* sums) {
    const float one = 1;
    multiply<1, BATCH>(&one, 0, 0, values, nullptr, sums);
}

// Rational approximation, right to some units in the last place (eigen:Eigen/src/Core/MathFunctionsImpl.h).
void squash(float* values) {
    for (int i = 0; i < BATCH * WIDTH; i += LANES) {
        Lanes x = lanes(values + i);
        const Lanes most = Lanes{} + 7.90531110763549805f;
        x = x > most ? most : x < -most ? -most : x;
        const Lanes s = x * x;
        Lanes p = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
        for (const float term : {-8.60467152213735e-11f, 5.12229709037114e-08f, 1.48572235717979e-05f,
                                 6.37261928875436e-04f, 4.89352455891786e-03f})
            p = p * s + term;
        Lanes q = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
        for (const float term : {2.26843463243900e-03f, 4.89352518554385e-03f}) q = q * s + term;
        lanes(values + i) = x * p / q;
    }
}

void squash_backward(const float* squashed, float* gradient) {
    for (int i = 0; i < BATCH * WIDTH; i += LANES) {
        const Lanes y = lanes(squashed + i);
        lanes(gradient + i) *= 1 - y * y;
    }
}

// A linear layer of OUTPUTS rows [OUTPUTS, WIDTH] on what the hidden layers say [BATCH, WIDTH].
template <int OUTPUTS>
void head(const float* hidden, const float* weight, const float* bias, float* outputs) {
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < OUTPUTS; j++) {
            float sum = 0;
            for (int k = 0; k < WIDTH; k++) sum += hidden[i * WIDTH + k] * weight[j * WIDTH + k];
            outputs[i * OUTPUTS + j] = bias[j] + sum;
        }
}

template <int OUTPUTS>
void head_backward(const float* outputs_gradient, const float* hidden, const float* weight, float* weight_gradient,
                   float* bias_gradient, float* hidden_gradient) {
    multiply<OUTPUTS, BATCH>(outputs_gradient, 1, OUTPUTS, hidden, nullptr, weight_gradient);
    multiply<BATCH, OUTPUTS>(outputs_gradient, OUTPUTS, 1, weight, nullptr, hidden_gradient);
    for (int j = 0; j < OUTPUTS; j++) bias_gradient[j] = 0;
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < OUTPUTS; j++) bias_gradient[j] += outputs_gradient[i * OUTPUTS + j];
}

// The two hidden layers of one network, the policy's (0) or the value function's (1).
struct Hidden {
    alignas(64) float first[BATCH * WIDTH], second[BATCH * WIDTH], before[BATCH * WIDTH], turned[WIDTH * WIDTH];

    void forward(int network, const float* rows, const float* weights) {
        multiply<BATCH, OBSERVATIONS>(rows, FEATURES, 1, weights + FIRST + network * OBSERVATIONS * WIDTH,
                                      weights + FIRST_BIAS + network * WIDTH, first);
        squash(first);
        multiply<BATCH, WIDTH>(first, WIDTH, 1, weights + SECOND + network * WIDTH * WIDTH,
                               weights + SECOND_BIAS + network * WIDTH, second);
        squash(second);
    }

    // `gradient` [BATCH, WIDTH]: of `second`; used up.
    void backward(int network, const float* rows, const float* weights, float* gradient, float* weights_gradient) {
        const float* matrix = weights + SECOND + network * WIDTH * WIDTH;
        squash_backward(second, gradient);
        multiply<WIDTH, BATCH>(first, 1, WIDTH, gradient, nullptr,
                               weights_gradient + SECOND + network * WIDTH * WIDTH);
        sum_rows(gradient, weights_gradient + SECOND_BIAS + network * WIDTH);
        for (int i = 0; i < WIDTH; i++)
            for (int j = 0; j < WIDTH; j++) turned[j * WIDTH + i] = matrix[i * WIDTH + j];
        multiply<BATCH, WIDTH>(gradient, WIDTH, 1, turned, nullptr, before);
        squash_backward(first, before);
        multiply<OBSERVATIONS, BATCH>(rows, 1, FEATURES, before, nullptr,
                                      weights_gradient + FIRST + network * OBSERVATIONS * WIDTH);
        sum_rows(before, weights_gradient + FIRST_BIAS + network * WIDTH);
    }
};

// Gradients of the loss: of the mean actions [BATCH, ACTIONS], of their log deviation [ACTIONS], of the values [BATCH].
void loss_backward(const float* rows, const float* mean, const float* log_deviation, const float* value,
                   float* mean_gradient, float* log_deviation_gradient, float* value_gradient) {
    float precision[ACTIONS], constant = 0;
    for (int j = 0; j < ACTIONS; j++) {
        precision[j] = std::exp(-log_deviation[j]);
        constant -= log_deviation[j] + 0.918938533204672742f;  // half the logarithm of 2 pi
        log_deviation_gradient[j] = 0;
    }
    for (int i = 0; i < BATCH; i++) {
        const float* row = rows + i * FEATURES;
        const float old = row[FEATURES - 3], advantage = row[FEATURES - 2], target = row[FEATURES - 1];
        float standard[ACTIONS], log_probability = constant;
        for (int j = 0; j < ACTIONS; j++) {
            standard[j] = (row[OBSERVATIONS + j] - mean[i * ACTIONS + j]) * precision[j];
            log_probability -= 0.5f * standard[j] * standard[j];
        }
        const float ratio = std::exp(log_probability - old);
        const float clipped = ratio < 1 - CLIP ? 1 - CLIP : ratio > 1 + CLIP ? 1 + CLIP : ratio;
        // A ratio that is not finite is never beyond the clip, so that it is not lost.
        const bool beyond = ratio * advantage > clipped * advantage && ratio < INFINITY;
        const float slope = beyond ? 0 : -advantage * ratio / BATCH;
        for (int j = 0; j < ACTIONS; j++) {
            mean_gradient[i * ACTIONS + j] = slope * standard[j] * precision[j];
            log_deviation_gradient[j] += slope * (standard[j] * standard[j] - 1);
        }
        value_gradient[i] = VALUE_WEIGHT * 2 * (value[i] - target) / BATCH;
    }
}

void find_gradient(const float* rows, const float* weights, float* gradient) {
    static thread_local Hidden policy, critic;  // not on the stack, which wide networks would overflow
    alignas(64) static thread_local float mean[BATCH * ACTIONS], value[BATCH], mean_gradient[BATCH * ACTIONS];
    alignas(64) static thread_local float value_gradient[BATCH], hidden_gradient[BATCH * WIDTH];
    policy.forward(0, rows, weights);
    critic.forward(1, rows, weights);
    head<ACTIONS>(policy.second, weights + ACTION, weights + ACTION_BIAS, mean);
    head<1>(critic.second, weights + VALUE, weights + VALUE_BIAS, value);
    loss_backward(rows, mean, weights + LOG_DEVIATION, value, mean_gradient, gradient + LOG_DEVIATION, value_gradient);
    head_backward<ACTIONS>(mean_gradient, policy.second, weights + ACTION, gradient + ACTION, gradient + ACTION_BIAS,
                           hidden_gradient);
    policy.backward(0, rows, weights, hidden_gradient, gradient);
    head_backward<1>(value_gradient, critic.second, weights + VALUE, gradient + VALUE, gradient + VALUE_BIAS,
                     hidden_gradient);
    critic.backward(1, rows, weights, hidden_gradient, gradient);
}

// Clips the gradient's norm and takes the step, as torch's clip_grad_norm_ and Adam do.
void adam(const float* gradient, double rate, float* weights, float* first, float* second, float* steps) {
    float squares = 0;
    for (int i = 0; i < SIZE; i++) squares += gradient[i] * gradient[i];
    const float short_by = LARGEST_GRADIENT / (std::sqrt(squares) + 1e-6f), scale = short_by > 1 ? 1 : short_by;
    const double step = ++*steps;
    const float size = rate / (1 - std::pow(0.9, step)), root = 1 / std::sqrt(1 - std::pow(0.999, step));
    for (int i = 0; i < SIZE; i++) {
        const float slope = gradient[i] * scale;
        first[i] += (slope - first[i]) * 0.1f;
        second[i] = second[i] * 0.999f + slope * slope * 0.001f;
        weights[i] -= size * first[i] / (std::sqrt(second[i]) * root + 1e-5f);
    }
}

}  // namespace

// `rows` [n, FEATURES] in the order of `order`, BATCH at a time, for so many minibatches; the rest changes in place.
extern "C" void epoch(const float* rows, const int64_t* order, int64_t minibatches, double rate, float* weights,
                      float* first, float* second, float* steps) {
    alignas(64) static thread_local float minibatch[BATCH * FEATURES], gradient[SIZE];
    for (int64_t start = 0; start < minibatches * BATCH; start += BATCH) {
        for (int i = 0; i < BATCH; i++)
            for (int j = 0; j < FEATURES; j++)
                minibatch[i * FEATURES + j] = rows[order[start + i] * FEATURES + j];
        find_gradient(minibatch, weights, gradient);
        adam(gradient, rate, weights, first, second, steps);
    }
}
