using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Sampling;
using Rollout.Gpu.Tests.Sampling;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

[Collection(GpuTests.Name)]
public sealed class SampleTokensTests(GpuFixture gpu) : GpuTest(gpu)
{
    private static readonly SamplingParams Plain = new() { MaxTokens = 1 };

    public static TheoryData<int, ScalarType> Vocabularies => new()
    {
        { 1, ScalarType.BFloat16 },
        { 37, ScalarType.BFloat16 },
        { 4096, ScalarType.BFloat16 },
        { 151_936, ScalarType.BFloat16 },
        { 37, ScalarType.Float32 },
        { 8191, ScalarType.Float32 },
        { 151_936, ScalarType.Float32 },
    };

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public void Tokens_and_log_probabilities_equal_the_CPU_samplers(int vocabulary, ScalarType dtype) =>
        AssertSamples(vocabulary, dtype,
        [
            Plain, Plain with { Temperature = 0.6f }, Plain with { Temperature = 0 },
            Plain with { Temperature = 3 }, Plain with { Temperature = 0.01f }, Plain with { Temperature = 1e-6f },
        ]);

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public void Filters_keep_what_the_reference_keeps(int vocabulary, ScalarType dtype) =>
        AssertSamples(vocabulary, dtype,
        [
            Plain with { TopK = 1 }, Plain with { TopK = 50 }, Plain with { TopP = 0.9f },
            Plain with { TopP = 0.5f, Temperature = 0.7f }, Plain with { MinP = 0.05f },
            Plain with { TopK = 20, TopP = 0.8f, MinP = 0.02f, Temperature = 1.3f }, Plain with { MinP = 1 },
            Plain with { TopP = 0.001f }, Plain with { TopK = vocabulary + 5, TopP = 0.999f },
        ]);

    [Fact]
    public void Of_equal_logits_the_lower_ids_are_kept_and_the_lowest_is_the_arg_max()
    {
        var logits = zeros([1, 1000]);
        var draws = Enumerable.Range(0, 64)
            .Select(i => new Draw(0, i, 5, i == 0 ? Plain with { Temperature = 0 } : Plain with { TopK = 3 })).ToArray();

        var (tokens, logprobs, sampling) = Sample(logits.to(ScalarType.BFloat16), 1000, draws);

        Assert.Equal(0, tokens[0]);
        Assert.Equal([0, 1, 2], tokens[1..].Distinct().Order());
        Assert.All(logprobs, logprob => Assert.Equal(-Math.Log(1000), logprob, 1e-5));
        Assert.Equal(logprobs[0], sampling[0]);
        Assert.All(sampling[1..], logprob => Assert.Equal(-Math.Log(3), logprob, 1e-5));
    }

    // Five of nine equal logits have half of the probability, four do not; 75,969 and 75,968 of 151,937 likewise.
    [Theory]
    [InlineData(9, 5, ScalarType.Float32)]
    [InlineData(9, 5, ScalarType.BFloat16)]
    [InlineData(151_937, 75_969, ScalarType.Float32)]
    public void Of_equal_logits_top_p_keeps_the_lower_ids(int vocabulary, int kept, ScalarType dtype)
    {
        var draws = Enumerable.Range(0, 200).Select(i => new Draw(0, i, 5, Plain with { TopP = 0.5f })).ToArray();

        var (tokens, _, _) = Sample(zeros([1, vocabulary]).to(dtype), vocabulary, draws);

        Assert.InRange(tokens.Max(), kept * 9 / 10, kept - 1);
        Assert.InRange(tokens.Min(), 0, kept / 10);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void A_token_that_is_kept_alone_has_probability_one(ScalarType dtype)
    {
        var logits = Random(5, ScalarType.Float32, 4, 3000).mul(5).to(dtype);
        SamplingParams[] samplings = [Plain with { TopK = 1 }, Plain with { TopP = 1e-6f, Temperature = 0.3f }];
        var draws = Enumerable.Range(0, 32).Select(i => new Draw(i % 4, i, 3, samplings[i / 16])).ToArray();

        var (_, logprobs, sampling) = Sample(logits, 3000, draws);

        Assert.All(sampling, logprob => Assert.InRange(logprob, -1e-5f, 0));
        Assert.All(logprobs, logprob => Assert.True(logprob < -1e-4f));
    }

    [Fact]
    public void A_row_with_nan_or_infinity_is_marked_and_its_neighbours_are_not()
    {
        using Scalar nan = float.NaN, infinite = float.PositiveInfinity, never = float.NegativeInfinity;
        var logits = Random(1, ScalarType.BFloat16, 5, 500);
        logits.select(0, 1).narrow(0, 499, 1).fill_(nan);
        logits.select(0, 2).narrow(0, 3, 1).fill_(infinite);
        logits.select(0, 3).fill_(never);
        logits.select(0, 4).narrow(0, 0, 499).fill_(never);
        var draws = Enumerable.Range(0, 20).Select(i => new Draw(
            i % 5, i, 7, (i / 5) switch
            {
                0 => Plain,
                1 => Plain with { Temperature = 0 },
                2 => Plain with { TopP = 0.5f },
                _ => Plain with { TopK = 9, MinP = 0.1f },
            })).ToArray();

        var (tokens, logprobs, sampling) = Sample(logits, 500, draws);

        for (var i = 0; i < draws.Length; i++)
        {
            Assert.Equal(draws[i].Row is 1 or 2 or 3, tokens[i] == -1);
            Assert.Equal(tokens[i] == -1, float.IsNaN(logprobs[i]));
            Assert.Equal(tokens[i] == -1, float.IsNaN(sampling[i]));
            if (draws[i].Row == 4)
                Assert.Equal((499, 0.0), (tokens[i], Math.Round(logprobs[i], 5)));
        }
    }

    // At the smallest temperature, logits this large differ by less than a float of them divided can say.
    [Fact]
    public void A_race_without_a_winner_marks_its_draw()
    {
        var logits = Random(4, ScalarType.Float32, 8, 300).mul(1e30);
        SamplingParams[] samplings =
            [Plain, Plain with { TopP = 0.9f }, Plain with { TopK = 3 }, Plain with { MinP = 0.5f }];
        var draws = Enumerable.Range(0, 32).Select(i => new Draw(
            i % 8, i, 7, samplings[i / 8] with { Temperature = SamplingParams.GreedyBelow })).ToArray();

        var (tokens, logprobs, sampling) = Sample(logits, 300, draws);

        Assert.All(tokens, token => Assert.InRange(token, -1, 299));
        Assert.All(tokens.Zip(logprobs), draw => Assert.Equal(draw.First == -1, double.IsNaN(draw.Second)));
        Assert.All(tokens.Zip(sampling), draw => Assert.Equal(draw.First == -1, double.IsNaN(draw.Second)));
    }

    [Fact]
    public void Frequencies_follow_the_softmax()
    {
        const int Vocabulary = 50, Count = 40_000;
        var logits = Random(2, ScalarType.BFloat16, 1, Vocabulary);
        var draws = Enumerable.Range(0, Count).Select(i => new Draw(0, i, (ulong)(i % 7) + 1, Plain)).ToArray();

        var (tokens, _, _) = Sample(logits, Vocabulary, draws);

        var expected = ReferenceSampler.Probabilities(logits.to(ScalarType.Float32).data<float>().ToArray(), 1);
        var squares = Enumerable.Range(0, Vocabulary)
            .Sum(v => Math.Pow(tokens.Count(token => token == v) - (Count * expected[v]), 2) / (Count * expected[v]));
        Assert.InRange(squares, 0, 49 + (6 * Math.Sqrt(2 * 49))); // χ² with 49 degrees of freedom
    }

    [Fact]
    public void No_draws_launch_nothing()
    {
        var (tokens, _, _) = Sample(Random(1, ScalarType.BFloat16, 1, 16), 16, []);
        Assert.Empty(tokens);
    }

    private void AssertSamples(int vocabulary, ScalarType dtype, SamplingParams[] samplings)
    {
        const int Rows = 3;
        var logits = Random(9, ScalarType.Float32, Rows, vocabulary).mul(5).to(dtype);
        var draws = Enumerable.Range(0, 40 * samplings.Length).Select(i => new Draw(
            i % Rows, i, 0x1234567890abcdef + (ulong)i, samplings[i % samplings.Length])).ToArray();
        if (vocabulary > 100_000)
            draws = draws[..(6 * samplings.Length)];

        var (tokens, logprobs, sampling) = Sample(logits, vocabulary, draws);

        var numbers = Enumerable.Range(0, Rows)
            .Select(row => logits[row].to(ScalarType.Float32).data<float>().ToArray()).ToArray();
        var sampler = new Sampler(1);
        var output = new StepOutput();
        sampler.Sample(
            numbers.SelectMany(row => row).ToArray(), vocabulary,
            new ForwardBatch { Draws = draws, DrawCount = draws.Length },
            [.. draws.Select(draw => draw.Row)], output);
        for (var i = 0; i < draws.Length; i++)
        {
            Assert.True(output.Tokens[i] == tokens[i],
                $"draw {i} with {draws[i].Sampling} took {tokens[i]}, the CPU's sampler {output.Tokens[i]}");
            // The CPU's sampler rounds logit / temperature to a float first.
            var temperature = draws[i].Sampling.IsGreedy ? 1 : draws[i].Sampling.Temperature;
            var tolerance = 1e-5 + (2e-6 / temperature);
            Assert.InRange(Math.Abs(logprobs[i] - output.Logprobs[i]), 0, tolerance);
            if (!draws[i].Sampling.Filters)
                Assert.Equal(logprobs[i], sampling[i]);
            else
                Assert.InRange(Math.Abs(sampling[i] - output.SamplingLogprobs[i]), 0, 5 * tolerance);
        }
    }

    // Rows of logits are apart by more than the vocabulary, and NaN between.
    private (int[] Tokens, float[] Logprobs, float[] SamplingLogprobs) Sample(Tensor logits, int vocabulary, Draw[] draws)
    {
        var shape = PlainShape(logits.dtype);
        var kernels = Kernels(shape);
        var stride = vocabulary % 2 == 0 ? vocabulary + 8 : vocabulary;
        using Scalar nan = float.NaN;
        var padded = full([logits.size(0), stride], nan, logits.dtype);
        padded[.., ..vocabulary] = logits;
        var rows = (int)logits.size(0);
        var batch = new ForwardBatch
        {
            RowCount = rows,
            TokenCount = rows,
            TokenIds = new int[rows],
            QueryStart = [.. Enumerable.Range(0, rows + 1)],
            ContextLengths = [.. Enumerable.Repeat(1, rows)],
            BlockTableStart = [.. Enumerable.Range(0, rows + 1)],
            BlockTables = new int[rows],
            Draws = draws,
            DrawCount = draws.Length,
        };
        // A row of logits for each row of the batch, drawn from or not.
        var layout = new StepInputs(new StepCapacity(rows, rows, draws.Length + 3, 0, rows, kernels.Attention.Parts), shape);
        var buffer = new int[layout.Ints];
        new StepInputsBuilder(new AttentionSchedule(shape, kernels.Attention.Parts)).Write(batch, layout, buffer);
        var (inputs, device) = (Upload(buffer), OnDevice(padded));
        var tokens = full([draws.Length + 3], -9, ScalarType.Int32, CUDA);
        var logprobs = Poisoned(ScalarType.Float32, draws.Length + 3);
        var sampling = Poisoned(ScalarType.Float32, draws.Length + 3);

        kernels.Sample.Launch(
            Stream, layout, At(inputs), At(device), At(tokens), At(logprobs), At(sampling), draws.Length + 3, vocabulary,
            stride);

        var all = Ints(tokens);
        Assert.Equal([-9, -9, -9], all[draws.Length..]);
        return (all[..draws.Length], Numbers(logprobs)[..draws.Length], Numbers(sampling)[..draws.Length]);
    }
}
