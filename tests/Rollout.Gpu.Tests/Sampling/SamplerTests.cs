using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Gpu.Tests.Sampling;

public sealed class SamplerTests
{
    private static readonly SamplingParams Plain = new() { MaxTokens = 1 };

    private readonly Sampler _sampler = new(threads: 2);

    [Theory]
    [InlineData(0, 1f, 0f, 1f)]
    [InlineData(0, 1f, 0f, 0.6f)]
    [InlineData(5, 1f, 0f, 1f)]
    [InlineData(0, 0.8f, 0f, 1.3f)]
    [InlineData(0, 1f, 0.2f, 1f)]
    [InlineData(7, 0.9f, 0.1f, 0.9f)]
    public void Tokens_come_as_often_as_their_probability_says(
        int topK, float topP, float minP, float temperature)
    {
        const int Draws = 40_000;
        var sampling = Plain with { TopK = topK, TopP = topP, MinP = minP, Temperature = temperature };
        var logits = Logits(new Random(7), 12);
        Draw[] draws = [.. Enumerable.Range(0, Draws).Select(i => new Draw(0, i, 99, sampling))];
        var output = Sample(logits, 12, draws);

        var kept = ReferenceSampler.Keep(logits, sampling);
        var p = ReferenceSampler.Probabilities(logits, temperature);
        var mass = kept.Sum(v => p[v]);
        var seen = output.Tokens.Take(Draws).CountBy(v => v).ToDictionary();
        var chiSquare = kept.Sum(v =>
        {
            var expected = Draws * p[v] / mass;
            return (seen.GetValueOrDefault(v) - expected) * (seen.GetValueOrDefault(v) - expected) / expected;
        });

        // Mean and variance of chi² are its degrees of freedom and twice that; five deviations above is no
        // chance.
        var freedom = kept.Length - 1;
        Assert.InRange(chiSquare, 0, freedom + (5 * Math.Sqrt(2 * freedom)));
        Assert.Equal(Draws, kept.Sum(v => seen.GetValueOrDefault(v)));
    }

    [Fact]
    public void Every_draw_equals_the_plain_references() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            var output = Sample(test.Logits, test.Vocabulary, test.Draws);
            for (var i = 0; i < test.Draws.Length; i++)
            {
                var row = test.Logits.AsSpan(test.Draws[i].Row * test.Vocabulary, test.Vocabulary);
                Assert.Equal(ReferenceSampler.Draw(row, test.Draws[i]), output.Tokens[i]);
                var p = ReferenceSampler.Probabilities(row, test.Draws[i].Sampling.Temperature);
                var logprob = Math.Log(p[output.Tokens[i]]);
                Assert.Equal(logprob, output.Logprobs[i], 1e-5 * (1 - logprob));
                if (!test.Draws[i].Sampling.Filters)
                    continue;
                var mass = ReferenceSampler.Keep(row, test.Draws[i].Sampling).Sum(v => p[v]);
                Assert.Equal(logprob - Math.Log(mass), output.SamplingLogprobs[i], 1e-5 * (1 - logprob));
            }
        }).Holds(runs: 200);

    [Fact]
    public void A_token_that_is_kept_alone_has_probability_one()
    {
        var logits = Logits(new Random(4), 3 * 700);
        SamplingParams[] alone = [Plain with { TopK = 1 }, Plain with { TopP = 1e-6f }, Plain with { MinP = 1 }];
        Draw[] draws = [.. Enumerable.Range(0, 9).Select(i => new Draw(i / 3, i, 9, alone[i % 3] with { Temperature = 0.4f }))];
        var output = Sample(logits, 700, draws);
        Assert.All(output.SamplingLogprobs.Take(9), logprob => Assert.Equal(0f, logprob));
        Assert.All(output.Logprobs.Take(9), logprob => Assert.True(logprob < -0.01));
    }

    [Fact]
    public void Without_a_filter_there_is_no_second_log_probability() =>
        Assert.Empty(Sample(Logits(new Random(5), 50), 50, [new Draw(0, 3, 9, Plain), .. Greedy(0)]).SamplingLogprobs);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(4097)]
    [InlineData(130_000)]
    public void Any_vocabulary_size_is_drawn_from_to_its_last_token(int vocabulary)
    {
        var random = new Random(vocabulary);
        var logits = Logits(random, 3 * vocabulary);
        logits[(2 * vocabulary) - 1] = 40; // row 1: the last token is nearly sure
        SamplingParams[] kinds =
        [
            Plain, Plain with { TopP = 0.5f }, Plain with { TopK = 20 },
            Plain with { MinP = 0.1f, Temperature = 0.3f },
        ];
        Draw[] draws = [.. Enumerable.Range(0, 12)
            .Select(i => new Draw(i % 3, i, (ulong)random.NextInt64(), kinds[i / 3]))];

        var output = Sample(logits, vocabulary, draws);
        for (var i = 0; i < draws.Length; i++)
        {
            var row = logits.AsSpan(draws[i].Row * vocabulary, vocabulary);
            Assert.Equal(ReferenceSampler.Draw(row, draws[i]), output.Tokens[i]);
            if (draws[i].Row == 1)
                Assert.Equal(vocabulary - 1, output.Tokens[i]);
        }
    }

    [Fact]
    public void A_draw_does_not_depend_on_other_rows_or_the_order_of_draws() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            var together = Sample(test.Logits, test.Vocabulary, test.Draws);
            var backwards = Sample(test.Logits, test.Vocabulary, [.. test.Draws.Reverse()]);
            for (var i = 0; i < test.Draws.Length; i++)
            {
                var row = test.Logits.AsSpan(test.Draws[i].Row * test.Vocabulary, test.Vocabulary).ToArray();
                var alone = Sample(row, test.Vocabulary, [test.Draws[i] with { Row = 0 }]);
                Assert.Equal((together.Tokens[i], together.Logprobs[i]), (alone.Tokens[0], alone.Logprobs[0]));
                Assert.Equal(together.Tokens[i], backwards.Tokens[test.Draws.Length - 1 - i]);
            }
        }).Holds();

    [Fact]
    public void Top_k_never_draws_a_token_below_the_kth() =>
        Prop.ForAll(Gen.Choose(1, 40).ToArbitrary(), Gen.Choose(0, 1 << 30).ToArbitrary(), (k, seed) =>
        {
            var random = new Random(seed);
            var logits = Logits(random, 50);
            logits[random.Next(50)] = logits[random.Next(50)]; // a tie, sometimes at the edge
            var draws = Enumerable.Range(0, 30)
                .Select(i => new Draw(0, i, (ulong)seed, Plain with { TopK = k, Temperature = 5 })).ToArray();
            var allowed = Enumerable.Range(0, 50)
                .OrderByDescending(v => logits[v]).ThenBy(v => v).Take(k).ToHashSet();
            return Sample(logits, 50, draws).Tokens.Take(30).All(allowed.Contains);
        }).Holds();

    [Fact]
    public void Temperature_0_takes_the_largest_logit_and_the_lowest_id_on_ties()
    {
        var output = Sample([1, 7, 3, 7, 7, -1], 3, [.. Greedy(0), .. Greedy(1)]);
        Assert.Equal([1, 0], output.Tokens.Take(2));
        var p = ReferenceSampler.Probabilities([1, 7, 3], 1);
        Assert.Equal(Math.Log(p[1]), output.Logprobs[0], 1e-6);
    }

    [Theory]
    [InlineData(9.9e-6f)]
    [InlineData(1e-7f)]
    [InlineData(1e-30f)]
    public void A_temperature_below_1e_5_is_taken_as_0(float temperature)
    {
        var logits = Logits(new Random(3), 2 * 500);
        Draw[] At(float t) => [.. Enumerable.Range(0, 8)
            .Select(i => new Draw(i % 2, i, 9, Plain with { Temperature = t, TopP = i < 4 ? 1 : 0.9f }))];
        var (cold, greedy) = (Sample(logits, 500, At(temperature)), Sample(logits, 500, At(0)));
        Assert.Equal(greedy.Tokens, cold.Tokens);
        Assert.Equal(greedy.Logprobs, cold.Logprobs);
    }

    [Fact]
    public void A_token_of_logit_minus_infinity_is_never_drawn()
    {
        var logits = Enumerable.Repeat(float.NegativeInfinity, 64).ToArray();
        (logits[5], logits[60]) = (1, 1);
        foreach (var sampling in (SamplingParams[])[Plain, Plain with { TopK = 10 }, Plain with { TopP = 0.99f }])
        {
            Draw[] draws = [.. Enumerable.Range(0, 100).Select(i => new Draw(0, i, 3, sampling))];
            var output = Sample(logits, 64, draws);
            Assert.Equal([5, 60], output.Tokens.Take(100).Distinct().Order());
            Assert.All(output.Logprobs.Take(100), p => Assert.Equal(-Math.Log(2), p, 1e-6));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Broken_logits_are_a_fault_that_names_every_draw_from_them(float broken)
    {
        var logits = Logits(new Random(1), 3 * 20_000);
        logits[20_000 + 17] = broken;
        Draw[] draws = [.. Enumerable.Range(0, 6).Select(i => new Draw(i % 3, 4 + i, 1, Plain))];
        var output = new StepOutput();
        var fault = Assert.Throws<DrawFaultException>(() => Sample(logits, 20_000, draws, output));
        Assert.Equal([1, 4], fault.Draws);
        Assert.Equal("The logits of draw 1, 4 hold NaN or infinity; expected finite numbers.", fault.Message);
        foreach (var i in (int[])[0, 2, 3, 5])
            Assert.Equal(ReferenceSampler.Draw(logits.AsSpan(draws[i].Row * 20_000, 20_000), draws[i]), output.Tokens[i]);
    }

    [Fact]
    public void Sampling_again_allocates_nothing_per_draw()
    {
        var sampler = new Sampler(threads: 1);
        var batch = Batch([.. Enumerable.Range(0, 256).Select(i =>
            new Draw(i % 4, i, 5, i % 2 == 0 ? Plain : Plain with { TopK = 9, TopP = 0.9f }))]);
        var rows = batch.Draws.Select(draw => draw.Row).ToArray();
        var logits = Logits(new Random(2), 4 * 1000);
        var output = new StepOutput();
        sampler.Sample(logits, 1000, batch, rows, output);
        var before = GC.GetAllocatedBytesForCurrentThread();
        sampler.Sample(logits, 1000, batch, rows, output);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1024);
    }

    private sealed record Case(float[] Logits, int Vocabulary, Draw[] Draws);

    private static Gen<Case> Cases() =>
        from seed in Gen.Choose(0, int.MaxValue)
        from vocabulary in Gen.Choose(1, 300)
        from rows in Gen.Choose(1, 5)
        from count in Gen.Choose(1, 12)
        select Create(new Random(seed), vocabulary, rows, count);

    private static Case Create(Random random, int vocabulary, int rows, int count)
    {
        SamplingParams Any() => Plain with
        {
            Temperature = 0.1f + (2 * random.NextSingle()),
            TopK = random.Next(3) == 0 ? random.Next(1, vocabulary + 2) : 0,
            TopP = random.Next(3) == 0 ? 0.05f + (0.94f * random.NextSingle()) : 1,
            MinP = random.Next(3) == 0 ? 0.3f * random.NextSingle() : 0,
        };
        var kinds = Enumerable.Range(0, 3).Select(_ => Any()).ToArray();
        var draws = Enumerable.Range(0, count).Select(_ =>
            new Draw(random.Next(rows), random.Next(5000), (ulong)random.NextInt64(), kinds[random.Next(3)]));
        var logits = Logits(random, rows * vocabulary);
        if (random.Next(2) == 0)
            logits = [.. logits.Select(logit => MathF.Round(4 * logit) / 4)]; // with ties
        return new Case(logits, vocabulary, [.. draws]);
    }

    private static float[] Logits(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (6 * random.NextSingle()) - 3)];

    private static Draw[] Greedy(int row) => [new(row, 0, 1, Plain with { Temperature = 0 })];

    private static ForwardBatch Batch(Draw[] draws) => new() { Draws = draws, DrawCount = draws.Length };

    private StepOutput Sample(float[] logits, int vocabulary, Draw[] draws, StepOutput? output = null)
    {
        output ??= new StepOutput();
        _sampler.Sample(logits, vocabulary, Batch(draws), [.. draws.Select(draw => draw.Row)], output);
        return output;
    }
}
