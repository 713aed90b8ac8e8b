using Rollout.Gpu.Contracts;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Tracking;

public sealed class TensorBoardFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private RunFolder Run => RunFolder.For(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_readers_checksum_is_that_of_RFC_3720() =>
        Assert.Equal(0xe3069283, EventFileReader.Checksum("123456789"u8.ToArray()));

    [Fact]
    public void A_file_begins_with_version_and_start_and_has_every_metric_of_a_step_as_a_scalar()
    {
        var step = Reports.Step(3, heldOut: 0.5).With(Metrics.Loss, double.NaN);
        Write(resumedAt: null, new StepRecord(step));

        var events = EventFileReader.Read(Assert.Single(Files()));

        Assert.Equal(3, events.Length);
        Assert.Equal("brain.Event:2", events[0].Text(3));
        Assert.Equal((0, 1), (events[1].Whole(2), events[1].Of(7).Whole(1)));
        Assert.True(events[2].Double(1) > 1.7e9, "seconds since 1970");
        Assert.Equal(3, events[2].Whole(2));
        Assert.Equal(
            step.Values.Select(metric => (metric.Key, (float)metric.Value)),
            events[2].Of(5).All(1).Select(value => (value.Text(1), value.Single(2))));
    }

    [Fact]
    public void A_distribution_is_a_histogram_whose_buckets_hold_every_finite_value()
    {
        double[] values = [0, 0.1, 3, 3, 1.5, double.NaN, double.PositiveInfinity];
        Write(null, new StepRecord(Reports.Step(1)) { Histograms = new Dictionary<string, double[]> { ["lengths"] = values } });

        var histogram = ValueOf("lengths").Of(5);

        Assert.Equal((0, 3, 5), (histogram.Double(1), histogram.Double(2), histogram.Double(3)));
        Assert.Equal(7.6, histogram.Double(4), 12);
        Assert.Equal(0.01 + 9 + 9 + 2.25, histogram.Double(5), 12);
        var (limits, counts) = (histogram.Doubles(6), histogram.Doubles(7));
        Assert.Equal(limits.Length, counts.Length);
        Assert.Equal(limits.Order().Distinct(), limits);
        Assert.Equal(3, limits[^1]);
        Assert.Equal((1, 1, 1, 2), (counts[0], counts[1], counts[15], counts[^1]));
        Assert.Equal(5, counts.Sum());
    }

    [Fact]
    public void Equal_values_have_one_bucket_and_no_values_no_histogram()
    {
        Write(null, new StepRecord(Reports.Step(1))
        {
            Histograms = new Dictionary<string, double[]> { ["equal"] = [2, 2], ["none"] = [], ["broken"] = [double.NaN] },
        });

        Assert.Equal([2.0], ValueOf("equal").Of(5).Doubles(7));
        Assert.Equal([2.0], ValueOf("equal").Of(5).Doubles(6));
        Assert.DoesNotContain(Values(), value => value.Text(1) is "none" or "broken");
    }

    [Fact]
    public void The_ratios_of_a_step_are_a_histogram_with_the_buckets_of_the_trainer()
    {
        var step = FinishedSteps.Of(1);
        Write(null, StepRecord.Of(
            step with { Train = step.Train with { Ratios = new BucketCounts(0.5, 1.5, 6.5, [0.75, 1.25, 1.5], [1, 4, 1]) } },
            tokensBefore: 0));

        var histogram = ValueOf("distribution/ratio").Of(5);

        Assert.Equal((0.5, 1.5, 6, 6.5), (histogram.Double(1), histogram.Double(2), histogram.Double(3), histogram.Double(4)));
        Assert.Equal([0.75, 1.25, 1.5], histogram.Doubles(6));
        Assert.Equal([1.0, 4, 1], histogram.Doubles(7));
    }

    [Fact]
    public void A_text_is_a_tensor_of_one_string_for_the_text_plugin()
    {
        Write(null, new StepRecord(Reports.Step(1)) { Texts = new Dictionary<string, string> { ["samples"] = "2 + 2 → **4** 🙂" } });

        var value = ValueOf("samples");

        Assert.Equal("text", value.Of(9).Of(1).Text(1));
        Assert.Equal((7, 1), (value.Of(8).Whole(1), value.Of(8).Of(2).Of(2).Whole(1)));
        Assert.Equal("2 + 2 → **4** 🙂", value.Of(8).Text(8));
    }

    [Fact]
    public void A_resumed_run_adds_a_file_whose_steps_replace_the_earlier_ones()
    {
        Write(null, [StepRecord.BeforeTraining(Evaluations.Of(0.25)), .. Enumerable.Range(1, 5).Select(i => Rewarded(i, reward: i))]);
        Write(resumedAt: 3, [.. Enumerable.Range(4, 3).Select(i => Rewarded(i, reward: 10 * i))]);

        Assert.Equal(2, Files().Length);
        Assert.Equal(
            new SortedDictionary<long, float> { [1] = 1, [2] = 2, [3] = 3, [4] = 40, [5] = 50, [6] = 60 },
            EventFileReader.Scalars(Run.TensorBoard, "reward"));
        Assert.Equal(
            new SortedDictionary<long, float> { [0] = 0.25f }, EventFileReader.Scalars(Run.TensorBoard, "eval_accuracy"));
    }

    [Fact]
    public void A_later_process_has_the_later_name_even_if_the_clock_was_put_back()
    {
        Directory.CreateDirectory(Run.TensorBoard);
        File.WriteAllText(Path.Combine(Run.TensorBoard, "events.out.tfevents.9000000000.host.1"), "");
        File.WriteAllText(Path.Combine(Run.TensorBoard, "events.out.tfevents.strange"), "");

        Write(resumedAt: 1, Rewarded(2, reward: 2));

        Assert.Contains(".9000000001.", Files()[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_run_removes_the_files_of_one_that_ended_before_its_first_step()
    {
        Write(null, StepRecord.BeforeTraining(Evaluations.Of(0.5)));
        var kept = Path.Combine(Run.TensorBoard, "notes.txt");
        File.WriteAllText(kept, "mine");

        Write(null, Rewarded(1, reward: 1));

        Assert.Empty(EventFileReader.Scalars(Path.GetDirectoryName(Assert.Single(Files()))!, "eval_accuracy"));
        Assert.True(File.Exists(kept));
    }

    [Fact]
    public void A_record_has_the_best_and_the_worst_sample_of_a_group_whose_rewards_differ()
    {
        var record = StepRecord.Of(
            FinishedSteps.Of(
                1,
                FinishedSteps.Group(7, (1, 2, FinishReason.Stop), (1, 2, FinishReason.Stop)),
                FinishedSteps.Group(8, (0.5, 3, FinishReason.Stop), (0, 6, FinishReason.Length), (1, 4, FinishReason.Stop))),
            tokensBefore: 0);

        Assert.Equal(
            "**item 8**\n\n    2+2=\n\n**reward 1**, 4 tokens, ended by stop\n\n    text 2\n\n"
                + "**reward 0**, 6 tokens, ended by length\n\n    text 1",
            record.Texts["samples"]);
        Assert.Equal([1, 1, 0.5, 0, 1], record.Histograms["distribution/reward"]);
        Assert.Equal([2, 2, 3, 6, 4], record.Histograms["distribution/completion_length"]);
    }

    private static StepRecord Rewarded(int step, double reward) => new(Reports.Step(step).With(Metrics.Reward, reward));

    private string[] Files() =>
        [.. Directory.GetFiles(Run.TensorBoard, "events*").Order(StringComparer.Ordinal)];

    private EventFileReader.Message[] Values() => EventFileReader.Read(Assert.Single(Files()))[^1].Of(5).All(1);

    private EventFileReader.Message ValueOf(string tag) => Assert.Single(Values(), value => value.Text(1) == tag);

    private void Write(int? resumedAt, params StepRecord[] steps)
    {
        using var file = new TensorBoardFile(Run, resumedAt);
        foreach (var step in steps)
            file.Write(step);
    }
}
