using System.Text.Json;
using Rollout.Actors.Data;
using Rollout.Actors.Rewards;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>config/gsm8k.conf with the real questions and the real tokenizer, and a random model of a tiny shape.</summary>
public sealed class Gsm8kJobTests
{
    private const string Tokenizer = "fixtures/qwen3-tokenizer", Data = "data/gsm8k";

    [SharedFact(Tokenizer, Data)]
    public async Task The_job_trains_on_rewards_of_real_text()
    {
        using var folder = new TemporaryFolder();
        var model = TinyQwen(folder);

        // A random model is never right: digits and length tell its samples apart, so that it has something to learn.
        await TrainRun.RunAsync(
            TestFiles.Repository("config/gsm8k.conf"),
            folder.At("run"),
            $"model.path={model}",
            "model.weights=random",
            $"data.jsonl.train={TestFiles.Shared($"{Data}/train.jsonl")}",
            $"data.jsonl.held-out={TestFiles.Shared($"{Data}/test.jsonl")}",
            """rewards=[{ type = gsm8k }, { type = format, pattern = "d", weight = 0.5 }, { type = length, target = 6 }]""",
            "sampling.max-tokens=6",
            "train.steps=2",
            "train.prompts-per-step=2",
            "train.mini-batch-prompts=1",
            "train.num-generations=4",
            "train.learning-rate=0.05",
            "train.warmup-steps=0",
            "eval.prompts=2");

        var rollouts = TrainRun.Lines(folder.At("run"), "rollouts.jsonl");
        Assert.Equal(16, rollouts.Length);
        foreach (var rollout in rollouts)
        {
            var prompt = rollout.GetProperty("prompt").GetString()!;
            Assert.StartsWith("<|im_start|>user\n", prompt, StringComparison.Ordinal);
            Assert.EndsWith("number after ####.<|im_end|>\n<|im_start|>assistant\n", prompt, StringComparison.Ordinal);
            var hasLetter = rollout.GetProperty("text").GetString()!.Contains('d', StringComparison.Ordinal);
            var tokens = rollout.GetProperty("token_ids").GetArrayLength();
            Assert.Equal(
                (hasLetter ? 0.5 : 0) + (tokens / 6.0), rollout.GetProperty("reward").GetDouble(), 1e-9);
        }
        var metrics = TrainRun.Lines(folder.At("run"), "metrics.jsonl");
        Assert.Equal([0, 1, 2], metrics.Select(line => line.GetProperty("step").GetInt32()));
        // The second optimizer step on a batch is away from the policy that the batch began with.
        Assert.Contains(
            metrics.Skip(1), line => line.GetProperty("updates/made").GetInt32() == 2
                && line.GetProperty("clip_ratio/region_mean").GetDouble() > 0);
    }

    [SharedFact(Data)]
    public async Task Every_real_answer_earns_its_own_reward()
    {
        var reward = new Gsm8kReward();
        using var dataset = new FileDataset(
            (FileSettings)RolloutSettings.From(ConfigTree.Load()).Data.Sections[DatasetType.Jsonl] with
            {
                Train = TestFiles.Shared($"{Data}/train.jsonl")!,
                HeldOut = TestFiles.Shared($"{Data}/test.jsonl")!,
                PromptField = "question",
            });
        Assert.Equal((7473, 1319), (dataset.Train.Count, dataset.HeldOut.Count));
        foreach (var item in dataset.HeldOut)
        {
            var answer = item.Fields["answer"];
            Assert.Equal(1.0, await Score(item, answer));
            Assert.Equal(1.0, await Score(item, $"So it is {answer[(answer.LastIndexOf(' ') + 1)..]}."));
            Assert.Equal(0.0, await Score(item, answer + "1"));
        }

        ValueTask<double?> Score(PromptItem item, string completion) => reward.ScoreAsync(
            new ScoredSample(item, completion, [1], FinishReason.Stop, MaxTokens: 8), CancellationToken.None);
    }

    private static string TinyQwen(TemporaryFolder folder)
    {
        var model = folder.At("model");
        Directory.CreateDirectory(model);
        foreach (var file in (string[])["tokenizer.json", "tokenizer_config.json"])
            File.CreateSymbolicLink(Path.Combine(model, file), TestFiles.Shared($"{Tokenizer}/{file}")!);
        File.WriteAllText(Path.Combine(model, "config.json"), JsonSerializer.Serialize(new
        {
            architectures = new[] { "Qwen3ForCausalLM" },
            model_type = "qwen3",
            vocab_size = 151936,
            hidden_size = 32,
            intermediate_size = 64,
            num_hidden_layers = 2,
            num_attention_heads = 4,
            num_key_value_heads = 2,
            head_dim = 8,
            max_position_embeddings = 1024,
            rms_norm_eps = 1e-6,
            rope_theta = 1_000_000,
            tie_word_embeddings = true,
            eos_token_id = new[] { 151645, 151643 },
        }));
        return model;
    }
}
